"""The real page in a real browser: the server, the shipped checkpoints, a file that is uploaded, and clicks."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from app.photos import sample_paths
from tests.app.browsing import SCREENSHOTS, SLOW, load, settled, shifted, to_front, upload, watch_shifts


def open_page(window: Page, address: str, height: int = 900, motion: str = "reduce") -> Page:
    """The Compare page with the first sample's boxes drawn."""
    page = load(window, address, (1440, height), motion)
    expect(boxes(page, "obcn").first).to_be_visible(timeout=SLOW)
    return page


@pytest.fixture(scope="module")
def first_sample_page(window, address) -> Iterator[Page]:
    """One page for the tests that leave it as they found it: a page takes Chromium longer than what is tried on it."""
    page = open_page(window.context.new_page(), address)
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    yield page
    page.close()


@pytest.fixture
def first_sample(first_sample_page: Page) -> Page:
    """That page, shown before the window's other tab."""
    to_front(first_sample_page)
    return first_sample_page


def boxes(page: Page, panel: str) -> Locator:
    """The boxes that can be clicked in one panel."""
    return page.locator(f'[data-panel="{panel}"] button[data-object]')


def histograms(page: Page) -> Locator:
    """The plotly figures of the four coordinates, by their titles."""
    return page.locator(".js-plotly-plot").filter(has=page.locator(".barlayer"))


def sample_bytes(turn: Image.Transpose = Image.Transpose.FLIP_LEFT_RIGHT) -> bytes:
    """A sample photo, turned and saved again, so that no cache has seen it."""
    buffer = io.BytesIO()
    Image.open(sample_paths()[0]).convert("RGB").transpose(turn).save(buffer, "PNG")
    return buffer.getvalue()


def test_upload_click_read_histograms_and_switch_the_decode_rule(window, address) -> None:
    page = open_page(window, address)
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


def test_nothing_jumps_while_the_page_changes(window, address) -> None:
    page = open_page(window, address, 2200, "no-preference")
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    watch_shifts(page)
    page.get_by_text("argmax", exact=True).first.click()
    expect(page.locator('[data-panel="obcn"] .subtitle')).to_contain_text("argmax", timeout=SLOW)
    settled(page)
    # A figure that collapses while it is redrawn alone makes 0.1.
    assert shifted(page) < 0.02


def test_boxes_can_be_chosen_by_keyboard_and_light_up_in_both_panels(first_sample) -> None:
    page = first_sample
    box = boxes(page, "obcn").first
    box.focus()
    number = box.get_attribute("data-object")
    twins = page.locator(f'button[data-object="{number}"]')
    for twin in twins.all():
        expect(twin).to_have_class(re.compile(r"\blit\b"), timeout=SLOW)
    page.keyboard.press("Enter")
    expect(box).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    expect(box).to_have_attribute("aria-label", re.compile(r"obcn: \w+ [01]"))


def test_a_file_that_is_no_photo_gets_one_line_and_one_without_an_object_says_what_to_try(window, address) -> None:
    page = open_page(window, address)
    upload(page, "letter.jpg", b"Dear photo, ...")
    # On the page itself the words for a first visit may still stand.
    alert = page.get_by_test_id("stSidebarUserContent").get_by_test_id("stAlert")
    expect(alert).to_contain_text("letter.jpg", timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "compare-unreadable.png")

    buffer = io.BytesIO()
    Image.new("RGB", (320, 240), (122, 141, 160)).save(buffer, "JPEG")
    upload(page, "sky.jpg", buffer.getvalue())
    expect(page.get_by_test_id("stMain").get_by_test_id("stAlert")).to_contain_text(
        "No object scores above", timeout=SLOW
    )
    expect(boxes(page, "obcn")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "compare-nothing.png")


def test_all_downloads_arrive(first_sample) -> None:
    page = first_sample
    for label, needle in (
        ("Detections as JSON", '"category"'),
        ("Detections as CSV", "category_id"),
        ("Report as HTML", "Plotly.newPlot"),
    ):
        with page.expect_download(timeout=SLOW) as waiting:
            page.get_by_role("button", name=label).click()
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert needle in text


def test_photos_are_zoomed_together_by_button_wheel_and_keyboard_and_dragged(first_sample) -> None:
    page = first_sample
    frames = page.locator(".frame").filter(has=page.locator("button[data-object]"))
    widths = lambda: [round(frame.bounding_box()["width"]) for frame in frames.all()]  # noqa: E731
    whole = widths()
    page.locator('[data-zoom="in"]').first.click()
    assert widths() == [pytest.approx(1.5 * width, abs=2) for width in whole]
    stage = page.locator(".stage").nth(1).bounding_box()
    middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, -300)
    assert min(widths()) > 1.6 * max(whole), "once enlarged, the wheel zooms"
    before = [frame.bounding_box()["x"] for frame in frames.all()]
    chosen = page.locator('.pair button[aria-pressed="true"]').first.get_attribute("data-object")
    page.mouse.down()
    page.mouse.move(middle[0] - 60, middle[1], steps=5)
    page.mouse.up()
    moved = [frame.bounding_box()["x"] for frame in frames.all()]
    assert [now - then for now, then in zip(moved, before, strict=True)] == [pytest.approx(-60, abs=2)] * 2
    assert page.locator('.pair button[aria-pressed="true"]').first.get_attribute("data-object") == chosen, "no click"
    boxes(page, "obcn").first.focus()
    page.keyboard.press("ArrowLeft")
    assert frames.first.bounding_box()["x"] > moved[0]
    page.keyboard.press("0")
    assert widths() == whole
    page.mouse.wheel(0, 300)
    assert widths() == whole, "the page keeps the wheel"


def test_the_zoom_buttons_and_samples_stay_in_reach_of_the_keyboard(window, address) -> None:
    page = open_page(window, address)
    reachable = page.locator('.zoom button[tabindex="0"]')
    expect(reachable).to_have_count(4)
    page.get_by_role("button", name="Remove regression", exact=True).click()
    expect(page.locator('[data-panel="regression"]')).to_have_count(0, timeout=SLOW)
    expect(page.locator('[data-panel="obcn"] .zoom button[tabindex="0"]')).to_have_count(4)
    expect(reachable).to_have_count(4)
    sample = page.locator('.strip button[data-sample="cows"]')
    sample.focus()
    page.keyboard.press("Enter")
    expect(sample).to_have_attribute("aria-pressed", "true", timeout=SLOW)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_refinement_plays_to_the_end_and_does_not_glide_for_those_who_ask(first_sample, motion) -> None:
    page = first_sample
    page.emulate_media(reduced_motion=motion)
    play = page.locator(".refinement .play")
    expect(play).to_be_visible(timeout=SLOW)
    settled(page)
    moving = page.locator(".refinement .moving")
    end = moving.get_attribute("style")
    glides = moving.evaluate("box => getComputedStyle(box).transitionProperty") != "none"
    assert glides == (motion == "no-preference")
    play.click()
    expect(page.get_by_role("radio", name="candidate", exact=True)).to_have_attribute("aria-checked", "true")
    assert moving.get_attribute("style") != end
    expect(page.get_by_role("radio", name="stage 2", exact=True)).to_have_attribute(
        "aria-checked", "true", timeout=SLOW
    )
    expect(play).to_contain_text("Play")
    assert moving.get_attribute("style") == end
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="stage 1", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")


def test_a_reload_brings_the_same_view_back(window, address) -> None:
    page = open_page(window, f"{address}/?photo=cows&rule=argmax&temperature=2")
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    boxes(page, "obcn").last.click()
    expect(boxes(page, "obcn").last).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    page.get_by_text("1", exact=True).first.click()
    expect(page.locator('[data-panel="obcn"] .subtitle')).to_have_text("argmax · 1 stage · temperature 2", timeout=SLOW)
    settled(page)
    here = [box.get_attribute("style") for box in page.locator("button[data-object]").all()]
    chosen = page.locator('.pair button[aria-pressed="true"]').first.get_attribute("data-object")
    page.reload()
    expect(page.locator('[data-panel="obcn"] .subtitle')).to_have_text("argmax · 1 stage · temperature 2", timeout=SLOW)
    settled(page)
    assert [box.get_attribute("style") for box in page.locator("button[data-object]").all()] == here
    assert page.locator('.pair button[aria-pressed="true"]').first.get_attribute("data-object") == chosen


def test_old_numbers_are_dim_while_a_new_photo_is_looked_at_and_its_own_never_are(window, address) -> None:
    page = open_page(window, address, motion="no-preference")
    expect(histograms(page)).to_have_count(4, timeout=SLOW)
    settled(page)
    # What the headline says and how opaque it is, frame by frame, and whether a model says that it is looking.
    page.evaluate(
        """() => {
            let pair;
            window.frames_seen = [];
            const look = () => {
                if (!pair?.host.isConnected) {
                    pair = [...document.querySelectorAll("*")].map((each) => each.shadowRoot)
                        .find((root) => root?.querySelector("[data-panel]"));
                }
                const headline = document.querySelector(".st-key-obcn-object .obcn-facts");
                let opacity = 1;
                for (let each = headline; each; each = each.parentElement) opacity *= getComputedStyle(each).opacity;
                const busy = pair?.textContent.includes("is looking") ?? false;
                if (headline) window.frames_seen.push([busy, opacity, headline.textContent]);
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    old = page.locator(".st-key-obcn-object .obcn-facts").text_content()
    upload(page, "turned.png", sample_bytes(Image.Transpose.ROTATE_180))
    expect(page.locator(".st-key-obcn-object .obcn-facts")).not_to_have_text(old, timeout=SLOW)
    settled(page)
    frames = page.evaluate("window.frames_seen")
    # The photos' panels may say that a model is looking for some frames after its numbers are there.
    busy = [opacity for looking, opacity, said in frames if looking and said == old]
    assert busy
    assert max(busy) < 0.5
    assert {opacity for _, opacity, said in frames if said != old} == {1}
