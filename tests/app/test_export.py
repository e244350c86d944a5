import json

from analysis.palette import LIGHT
from app.export import detections_json, figures_html
from app.figures.belief import belief_of
from app.figures.histograms import coordinate_histograms
from app.markup import facts, line_key, numbers_table
from tests.app.helpers import BINS, CLASSES, REGRESSION, detections

BOX = [20.0, 30.0, 100.0, 90.0]


def test_rows_are_cocos_with_class_names_and_both_models() -> None:
    found = {
        "regression": detections([BOX], ["dog"], [0.7], REGRESSION),
        "obcn": detections([BOX, [120.0, 20.0, 180.0, 120.0]], ["dog", "cat"], [0.9, 0.3], BINS),
    }
    classes = {"regression": CLASSES, "obcn": CLASSES}
    rows = json.loads(detections_json("pets.jpg", found, classes, 0.5, "expectation", 2))
    assert [row["model"] for row in rows] == ["regression", "obcn"], "the cat scores below the threshold"
    row = rows[0]
    assert row["category"] == "dog"
    assert row["category_id"] == 2
    assert row["file_name"] == "pets.jpg"
    assert row["bbox"] == [20, 30, 80, 60]
    assert row["score"] == 0.7
    assert rows[1]["decode"] == "expectation"
    assert rows[1]["stages"] == 2
    assert "stages" not in row


def test_the_figures_need_no_network() -> None:
    belief = belief_of(detections([BOX], ["dog"], [0.9]), 0)
    figures = [coordinate_histograms(belief, name) for name in ("x", "y")]
    page = figures_html("dog <1>", line_key(LIGHT, ["argmax"]), numbers_table(belief, LIGHT), [("Look here", figures)])
    assert "dog &lt;1&gt;" in page
    assert "Look here" in page
    assert '<script src="http' not in page
    assert page.count("plotly.js v") == 1, "the library goes in once"
    assert page.count("Plotly.newPlot(") >= 2


def test_text_from_outside_cannot_become_markup() -> None:
    html = facts([("<b>head</b>", [("0.9", "<script>")])])
    assert "<script>" not in html
    assert "&lt;b&gt;head" in html


def test_the_table_gives_every_box_in_pixels_with_the_spread() -> None:
    belief = belief_of(detections([BOX], ["dog"], [0.9]), 0)
    table = numbers_table(belief, LIGHT)
    assert f"± {belief.spread_pixels('x', 0):.1f}" in table
    assert "centre x, px" in table
    assert "IoU" not in table, "no truth, no IoU"
