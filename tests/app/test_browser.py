"""The real page in a real browser: the server, the shipped checkpoints, a file that is uploaded, and clicks."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from app.photos import sample_paths
from tests.app.browsing import SCREENSHOTS, SLOW, fits_sideways, settled, shifted, upload, watch_shifts, whole_page


def open_page(browser: Browser, address: str, width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
    """The Compare page with the first sample's boxes drawn."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(address)
    expect(boxes(page, "obcn").first).to_be_visible(timeout=SLOW)
    return page


def boxes(page: Page, panel: str) -> Locator:
    """The boxes that can be clicked in one panel."""
    return page.locator(f'[data-panel="{panel}"] button[data-object]')


def histograms(page: Page) -> Locator:
    """The plotly figures of the four coordinates, by their titles."""
    return page.locator(".js-plotly-plot").filter(has=page.locator(".barlayer"))


def sample_bytes() -> bytes:
    """A sample photo, mirrored and saved again, so that no cache has seen it."""
    buffer = io.BytesIO()
    Image.open(sample_paths()[0]).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(buffer, "PNG")
    return buffer.getvalue()


def test_upload_click_read_histograms_and_switch_the_decode_rule(browser, address) -> None:
    page = open_page(browser, address)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    before = page.locator('[data-panel="obcn"] img').get_attribute("src")
    upload(page, "mirrored.png", sample_bytes())
    expect(page.locator('[data-panel="obcn"] img')).not_to_have_attribute("src", before, timeout=SLOW)
    expect(boxes(page, "obcn").first).to_be_visible(timeout=SLOW)
    settled(page)

    # Choose an object by clicking its box: the last one, so that a choice is made wherever there is more than one.
    box = boxes(page, "obcn").last
    box.click()
    expect(box).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    settled(page)

    # Its four histograms: 22 bins a stage, heights that sum to one.
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    titles = [figure.locator(".gtitle").text_content() for figure in histograms(page).all()]
    assert [title.split(" ")[0] for title in titles] == ["x", "y", "w", "h"]
    for figure in histograms(page).all():
        bars = figure.evaluate("figure => figure.data.filter(trace => trace.type === 'bar').map(trace => trace.y)")
        heights = [list(stage.values()) if isinstance(stage, dict) else stage for stage in bars]
        assert len(heights) == 2, "two stages"
        for stage in heights:
            assert len(stage) == 22
            assert sum(stage) == pytest.approx(1, abs=1e-3)
        assert figure.locator(".bars .point path").count() == 44

    # Argmax instead of expectation: OBCN's box moves, regression's does not.
    here, there = box.bounding_box(), boxes(page, "regression").first.bounding_box()
    page.screenshot(path=SCREENSHOTS / "compare-expectation.png")
    page.get_by_text("argmax", exact=True).first.click()
    expect(page.locator('[data-panel="obcn"] .subtitle')).to_contain_text("argmax", timeout=SLOW)
    settled(page)
    moved = boxes(page, "obcn").last.bounding_box()
    assert moved is not None
    assert here is not None
    assert max(abs(moved[side] - here[side]) for side in here) > 0.2, "screen pixels"
    assert boxes(page, "regression").first.bounding_box() == there
    page.screenshot(path=SCREENSHOTS / "compare-argmax.png")
    assert errors == []
    page.close()


def test_nothing_jumps_while_the_page_changes(browser, address) -> None:
    page = open_page(browser, address, height=2200)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    watch_shifts(page)
    page.get_by_text("argmax", exact=True).first.click()
    expect(page.locator('[data-panel="obcn"] .subtitle')).to_contain_text("argmax", timeout=SLOW)
    settled(page)
    # A figure that collapses while it is redrawn alone makes 0.1.
    assert shifted(page) < 0.02
    page.close()


def test_boxes_can_be_chosen_by_keyboard_and_light_up_in_both_panels(browser, address) -> None:
    page = open_page(browser, address)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    box = boxes(page, "obcn").first
    box.focus()
    number = box.get_attribute("data-object")
    twins = page.locator(f'button[data-object="{number}"]')
    for twin in twins.all():
        expect(twin).to_have_class(re.compile(r"\blit\b"), timeout=SLOW)
    page.keyboard.press("Enter")
    expect(box).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    expect(box).to_have_attribute("aria-label", re.compile(r"obcn: \w+ [01]"))
    page.close()


def test_a_file_that_is_no_photo_gets_one_line_and_no_traceback(browser, address) -> None:
    page = open_page(browser, address)
    upload(page, "letter.jpg", b"Dear photo, ...")
    alert = page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("letter.jpg", timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "compare-unreadable.png")
    page.close()


def test_a_photo_without_an_object_says_what_to_try(browser, address) -> None:
    page = open_page(browser, address)
    buffer = io.BytesIO()
    Image.new("RGB", (320, 240), (122, 141, 160)).save(buffer, "JPEG")
    upload(page, "sky.jpg", buffer.getvalue())
    expect(page.get_by_test_id("stAlert")).to_contain_text("No object scores above", timeout=SLOW)
    expect(boxes(page, "obcn")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "compare-nothing.png")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 400])
def test_the_page_fits_its_window(browser, address, width, scheme) -> None:
    page = open_page(browser, address, width, 900, scheme)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    assert fits_sideways(page)
    figure = histograms(page).first
    assert figure.bounding_box()["width"] <= width
    dark_text = figure.locator(".gtitle").evaluate("title => getComputedStyle(title).fill") == "rgb(29, 34, 41)"
    assert dark_text == (scheme == "light"), "figures follow the theme"
    whole_page(page, f"compare-{width}-{scheme}")
    page.close()


def test_all_downloads_arrive(browser, address) -> None:
    page = open_page(browser, address)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    for label, needle in (
        ("Detections as JSON", '"category"'),
        ("Detections as CSV", "category_id"),
        ("Report as HTML", "Plotly.newPlot"),
    ):
        with page.expect_download(timeout=SLOW) as waiting:
            page.get_by_role("button", name=label).click()
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert needle in text
    page.close()
