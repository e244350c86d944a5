"""A detector from an .onnx file in a real browser."""

import pytest
from playwright.sync_api import expect

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.app.browsing import SCREENSHOTS, SLOW, load, settled, upload, whole_page
from tests.app.served.test_compare import boxes, histograms
from tests.exported.modules import files_in


def test_one_uploads_an_onnx_file_clicks_an_object_and_reads_four_sides(window, address, tmp_path) -> None:
    page = load(window, f"{address}/models", (1440, 1000))
    upload(page, "theirs.onnx", files_in(tmp_path)("yolo").read_bytes())
    expect(page.get_by_text("Ready to compare: theirs")).to_be_visible(timeout=SLOW)
    settled(page)
    page.screenshot(path=SCREENSHOTS / "models-onnx.png")
    page.get_by_text("Open theirs in Compare").click()
    expect(boxes(page, "theirs").first).to_be_visible(timeout=SLOW)
    settled(page)
    box = boxes(page, "theirs").last
    # A network that was never trained puts its boxes over one another: the mouse would hit another one.
    box.evaluate("button => button.click()")
    expect(box).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    settled(page)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    titles = [figure.locator(".gtitle").text_content() for figure in histograms(page).all()]
    assert [title.split(" ")[0] for title in titles] == ["left", "top", "right", "bottom"]
    for figure in histograms(page).all():
        (bars,) = figure.evaluate("figure => figure.data.filter(trace => trace.type === 'bar').map(trace => trace.y)")
        heights = list(bars.values()) if isinstance(bars, dict) else bars
        assert len(heights) == 16
        assert sum(heights) == pytest.approx(1, abs=1e-3)
    expect(page.get_by_text("A distribution over distances").first).to_be_visible()
    whole_page(page, "compare-onnx")
