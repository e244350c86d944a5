import json
import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

from app.compare.comparison import Comparison, Settings
from app.compare.found_objects import find_objects
from app.compare.object_view import headline, view_of
from app.compare.report import detections_table, report_html
from app.markup import Fact, facts, line_key, numbers, numbers_table, plain, sides_table
from app.photos import Photo
from obcn.checkpoints import Card
from obcn.figures.lines import model_lines, with_models
from obcn.figures.palette import LIGHT
from tests.app.helpers import BINS, HEIGHT, REGRESSION, WIDTH, detections, model

BOX, OTHER = [20.0, 30.0, 100.0, 90.0], [120.0, 20.0, 180.0, 120.0]
SETTINGS = Settings("expectation", 2, 0.5, 0.5, 1.0, "cpu")


@pytest.fixture
def seen() -> Comparison:
    """Two models that agree about a dog."""
    found = {
        "regression": detections([BOX], ["dog"], [0.7], REGRESSION),
        "obcn": detections([BOX, OTHER], ["dog", "cat"], [0.9, 0.3], BINS),
    }
    models = {name: model(name, name) for name in found}
    photo = Photo("pets <1>.jpg", Image.new("RGB", (WIDTH, HEIGHT)), "abc123")
    return Comparison(photo, models, SETTINGS, found, find_objects(found, 0.5, None))


def _made_at(card: Card, commit: str) -> Card:
    return card.model_copy(update={"training": card.training.model_copy(update={"commit": commit})})


def palette_of(seen: Comparison):
    return with_models(LIGHT, model_lines(list(seen.models), LIGHT))


def test_rows_are_cocos_with_class_names_of_every_model(seen) -> None:
    table = detections_table(seen)
    rows = json.loads(table.to_json(orient="records"))
    assert [row["model"] for row in rows] == ["regression", "obcn"], "the cat scores below the threshold"
    row = rows[0]
    assert row["category"] == "dog"
    assert row["category_id"] == 2
    assert row["file_name"] == "pets <1>.jpg"
    assert row["bbox"] == [20, 30, 80, 60]
    assert row["score"] == 0.7
    assert [row["decode"] for row in rows] == ["regression", "expectation"]
    assert [row["stages"] for row in rows] == [None, 2]


def test_what_is_taken_home_says_how_each_models_boxes_were_ranked_and_merged(seen) -> None:
    for settings, ranked, merged in (
        (SETTINGS, ["score", "certainty"], ["suppression", "voting"]),
        (replace(SETTINGS, rank_by="score", merge_by="suppression", device="cuda"), ["score"] * 2, ["suppression"] * 2),
    ):
        set_so = replace(seen, settings=settings)
        table = detections_table(set_so)
        assert (list(table.rank_by), list(table.merge_by)) == (ranked, merged)
        view = view_of(set_so, set_so.objects[0], "obcn", palette_of(set_so))
        page = report_html(set_so, set_so.objects[0], palette_of(set_so), "", view.table(), view.sections())
        for name, values in (("rank by", ranked), ("merge by", merged)):
            assert f"<dt>{name}</dt><dd>regression: {values[0]}, obcn: {values[1]}</dd>" in page
        assert f"<dt>device</dt><dd>{settings.device}</dd>" in page


def test_the_report_needs_no_network_and_names_everything_behind_it(seen) -> None:
    models = {name: replace(file, card=_made_at(file.card, f"commit of {name}")) for name, file in seen.models.items()}
    seen = replace(seen, models=models)
    palette = palette_of(seen)
    view = view_of(seen, seen.objects[0], "obcn", palette)
    page = report_html(seen, seen.objects[0], palette, "They agree <b>.", view.table(), view.sections())
    assert '<script src="http' not in page
    assert page.count("plotly.js v") == 1, "the library goes in once"
    assert page.count("Plotly.newPlot(") >= 2 + 4 + 2, "both photos, four histograms, two crops"
    assert "pets &lt;1&gt;.jpg: dog" in page
    assert "They agree &lt;b&gt;." in page
    assert "abc123" in page
    # The library has every word.
    words = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    for name in models:
        assert f"<dt>config</dt><dd>{name}</dd>" in words
        assert f"<dt>commit</dt><dd>commit of {name}</dd>" in words
    assert "<dt>temperature</dt><dd>1</dd>" in words


def test_text_from_outside_cannot_become_markup(seen) -> None:
    html = facts([Fact("<b>head</b>", [("0.9", "<script>")])])
    assert "<script>" not in html
    assert "&lt;b&gt;head" in html
    lines = model_lines(["<i>x</i>"], LIGHT)
    palette = with_models(LIGHT, lines)
    assert "<i>x" not in line_key(palette, list(lines))
    table = numbers_table({"<i>x</i>": seen.objects[0].box}, palette)
    assert "<i>x" not in table
    assert 'role="region" tabindex="0" aria-label="All boxes in numbers"' in table, "the keyboard can scroll it"
    assert (table.count('<th scope="col">'), table.count('<th scope="row">'), table.count("<th")) == (4, 1, 6)
    assert plain("[a](b) $x$ :red[y] *z*") == r"\[a\](b) \$x\$ \:red\[y\] \*z\*"


def test_sides_say_where_the_truth_lies_and_how_many_spreads_that_is(seen) -> None:
    belief = view_of(seen, seen.objects[0], "obcn", palette_of(seen)).belief
    assert belief is not None
    belief = replace(
        belief,
        final=torch.tensor([20.0, 30.0, 100.0, 90.0]),
        side_spread=torch.tensor([8.0, 3.0, 4.0, 0.0]),
    )

    def rows(truth: torch.Tensor | None) -> list[list[str]]:
        html = sides_table(belief, truth)
        return [re.findall(r"<(?:th|td)[^>]*>(.*?)</(?:th|td)>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]

    assert rows(None)[1:] == [
        ["left", "± 8.0", "10%"],
        ["top", "± 3.0", "5%"],
        ["right", "± 4.0", "5%"],
        ["bottom", "± 0.0", "0%"],
    ]
    assert [row[3:] for row in rows(torch.tensor([16.0, 33.0, 98.0, 90.5]))[1:]] == [
        ["4.0 <span>further out</span>", "0.5"],
        ["3.0 <span>further in</span>", "1.0"],
        ["2.0 <span>further in</span>", "0.5"],
        ["0.5 <span>further out</span>", "10.0"],
    ]


def test_the_table_gives_every_box_in_pixels_with_the_spread(seen) -> None:
    view = view_of(seen, seen.objects[0], "obcn", palette_of(seen))
    html = view.table()
    assert f"± {view.belief.spread_pixels('x', 0):.1f}" in html
    assert "centre x, px" in html
    assert "IoU" not in html, "no truth, no IoU"
    table = numbers(view.boxes, view.palette, view.belief).set_index("box")
    assert list(table.index) == ["candidate", "obcn, expectation", "obcn, argmax", "regression"]
    assert table.loc["regression", "width, px"] == pytest.approx(80, abs=0.1)
    assert table.loc["obcn, expectation", "centre x, spread, px"] == pytest.approx(
        view.belief.spread_pixels("x", 0), abs=0.01
    )
    assert table["centre x, spread, px"].notna().sum() == 1


def test_a_model_that_cannot_know_an_object_is_not_blamed_for_missing_it(seen) -> None:
    alone = detections([BOX], ["dog"], [0.7], REGRESSION)
    found = {"regression": alone, "obcn": detections([], [], [], BINS)}
    models = {"regression": seen.models["regression"], "obcn": model("obcn", "obcn", classes=("cat", "zebra"))}
    other = Comparison(seen.photo, models, SETTINGS, found, find_objects(found, 0.5, None))
    assert "does not know dog" in headline(view_of(other, other.objects[0], "obcn", palette_of(other)))
    missed = Comparison(seen.photo, seen.models, SETTINGS, found, find_objects(found, 0.5, None))
    assert "saw nothing here" in headline(view_of(missed, missed.objects[0], "obcn", palette_of(missed)))
