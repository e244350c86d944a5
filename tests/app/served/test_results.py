"""Results and Models in a real browser, with the files that ship."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from obcn.checkpoints import SHIPPED_CHECKPOINTS
from tests.app.browsing import SLOW, load, settled


def open_page(window: Page, address: str, path: str, width: int = 1440) -> Page:
    return load(window, f"{address}/{path}", (width, 900))


def test_the_table_scrolls_by_keyboard_on_a_narrow_screen(window, address) -> None:
    page = open_page(window, address, "results", 400)
    table = page.locator(".obcn-scroll").first
    table.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)
    assert table.evaluate("table => table.scrollLeft") > 20
    # The names stay where they are and take less than half of the room, whole and on the page's own colour.
    names = table.locator("th:first-child")
    room = table.bounding_box()
    for box in [name.bounding_box() for name in names.all()]:
        assert box["x"] == pytest.approx(room["x"])
        assert box["width"] < room["width"] / 2
    papers = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        settled(page)
        paper = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
        shown = "names => names.map(name => [getComputedStyle(name).backgroundColor, getComputedStyle(name).opacity])"
        assert names.evaluate_all(shown) == [[paper, "1"]] * names.count()
        papers.add(paper)
    assert len(papers) == 2


def test_the_exported_table_is_the_one_that_is_shown(window, address) -> None:
    page = open_page(window, address, "results")
    page.get_by_test_id("stPopoverButton").filter(has_text="Export table").first.click()
    with page.expect_download(timeout=SLOW) as waiting:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="JSON", exact=True).click()
    rows = json.loads(Path(waiting.value.path()).read_text())
    assert rows[0]["row"] == "regression"
    shown = page.locator(".obcn-wide").first.locator("tbody tr").nth(1).locator("td").first.text_content()
    assert f"{rows[1]['AP']:.1f}" == shown


def test_one_brings_a_checkpoint_and_opens_it_in_compare(window, address) -> None:
    page = open_page(window, address, "models")
    weights = SHIPPED_CHECKPOINTS / "regression.safetensors"
    page.locator('input[type="file"]').set_input_files(str(weights))
    expect(page.get_by_test_id("stAlert")).to_contain_text("add regression.json", timeout=SLOW)
    page.locator('input[type="file"]').set_input_files(str(weights.with_suffix(".json")))
    expect(page.get_by_test_id("stAlert")).to_contain_text(
        re.compile("Ready to compare: upload-[0-9a-f]{12}/regression"), timeout=SLOW
    )
    settled(page)
    page.get_by_role("link", name="Open upload-").click()
    expect(page).to_have_url(re.compile("models=regression&models=upload-"), timeout=SLOW)
    expect(page.locator("[data-panel] button[data-object]").first).to_be_visible(timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_pickle_is_refused_in_one_line(window, address) -> None:
    page = open_page(window, address, "models")
    page.locator('input[type="file"]').set_input_files(
        {"name": "last.pth", "mimeType": "application/octet-stream", "buffer": b"\x80\x04."}
    )
    expect(page.get_by_test_id("stAlert")).to_contain_text("looks like a pickle", timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
