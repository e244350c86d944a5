import io
import json

import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import exports
from obcn.errors import UserError
from obcn.figures.pictures import browser_found


def figure(**layout) -> go.Figure:
    return go.Figure(go.Scatter(x=[0, 1], y=[0, 1], line={"color": "#D55E00"}), layout)


def page() -> None:
    import pandas as pd
    import plotly.graph_objects as go

    from app.exports import export_figures, export_table

    export_figures({"AP by IoU": go.Figure(), "Loss": go.Figure()}, "figures")
    export_table(pd.DataFrame({"AP": [1.5]}), "Table 1")


def starred_page() -> None:
    import pandas as pd
    import plotly.graph_objects as go

    from app.exports import export_figures, export_table

    export_figures({"a*b*": go.Figure()}, "figures")
    export_table(pd.DataFrame(), "a*b*")


@pytest.fixture
def made(monkeypatch) -> dict:
    """What a page's download buttons would give, by file name, when asked."""
    files = {}

    def keep(label, make, file_name, mime, **options):
        files[file_name] = make

    monkeypatch.setattr(exports.st, "download_button", keep)
    return files


@pytest.mark.skipif(not browser_found(), reason="no Chrome or Chromium here")
@pytest.mark.slow
def test_pictures_have_a_title_and_paper_in_the_theme() -> None:
    drawn = Image.open(io.BytesIO(exports.picture(figure(width=300, height=200), "One line", "#12161B", "png")))
    assert drawn.size == (600, 520), "two pixels for one, and room for the title"
    assert drawn.convert("RGBA").getpixel((2, 2)) == (0x12, 0x16, 0x1B, 255)
    svg = exports.picture(figure(width=300, height=200), "One line", "white", "svg").decode()
    assert "One line" in svg
    assert 'width="300" height="260"' in svg


def test_a_figure_keeps_its_own_title_and_size_and_is_not_changed() -> None:
    titled = figure(title="Mine", height=200)
    copy = exports.printable(titled, "Other", "white")
    assert copy.layout.title.text == "Mine"
    assert copy.layout.height == 200
    assert titled.layout.paper_bgcolor is None


def test_a_browser_that_fails_is_told(monkeypatch) -> None:
    monkeypatch.setattr(exports, "draw_pictures", lambda files: "the browser did not answer")
    with pytest.raises(UserError, match="no svg of Loss: the browser did not answer"):
        exports.picture(figure(), "Loss", "white", "svg")


def test_the_page_of_a_figure_needs_no_network() -> None:
    content = exports.page(figure(), "Loss", "white")
    assert "Plotly.newPlot(" in content
    assert '<script src="http' not in content


def test_nothing_is_drawn_before_it_is_asked_for(made, monkeypatch) -> None:
    monkeypatch.setattr(exports, "browser_found", lambda: True)
    monkeypatch.setattr(exports, "draw_pictures", lambda files: pytest.fail("drawn"))
    app = AppTest.from_function(page).run(timeout=300)
    assert not app.exception
    assert set(made) == {
        *(f"ap-by-iou.{kind}" for kind in ("png", "svg", "html")),
        *(f"loss.{kind}" for kind in ("png", "svg", "html")),
        "table-1.csv",
        "table-1.json",
    }


def test_without_a_browser_the_popover_says_so_and_offers_html(made, monkeypatch) -> None:
    monkeypatch.setattr(exports, "browser_found", lambda: False)
    app = AppTest.from_function(page).run(timeout=300)
    assert not app.exception
    assert "Chrome or Chromium" in app.caption[0].value
    assert [name for name in made if name.startswith("loss")] == ["loss.html"]


def test_a_table_comes_back_from_both_files(made, monkeypatch) -> None:
    table = pd.DataFrame({"model": ["r\N{LATIN SMALL LETTER E WITH ACUTE}gression", "obcn, 2"], "AP": [40.0, None]})
    exports.export_table(table, "Results")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(made["results.csv"]())), table)
    assert json.loads(made["results.json"]()) == [
        {"model": "r\N{LATIN SMALL LETTER E WITH ACUTE}gression", "AP": 40.0},
        {"model": "obcn, 2", "AP": None},
    ]


def test_names_from_outside_are_shown_as_they_are(monkeypatch) -> None:
    monkeypatch.setattr(exports, "browser_found", lambda: False)
    app = AppTest.from_function(starred_page).run(timeout=300)
    assert [text.value for text in app.markdown] == ["a\\*b\\*", "a\\*b\\*"]
    assert all(button.proto.help.startswith("a\\*b\\* as ") for button in app.get("download_button"))


def test_a_browser_that_is_not_there_is_not_found(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "chrome"))
    assert not browser_found()


def test_a_figure_may_be_made_only_when_it_is_asked_for(made, monkeypatch) -> None:
    calls = []

    def make() -> go.Figure:
        calls.append(1)
        return figure()

    monkeypatch.setattr(exports, "browser_found", lambda: False)
    exports.export_figures({"Loss": make}, "figures")
    assert not calls
    assert "Plotly.newPlot(" in made["loss.html"]()
    assert len(calls) == 1
