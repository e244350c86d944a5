"""The Explore page in a real browser, on record files of the sample photos."""

import re
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from obcn.data.coco import read_coco
from tests.app.browsing import SCREENSHOTS, SLOW, load, settled, shifted, watch_shifts
from tests.app.sample_records import OBJECTS, SAMPLES, sample_records


def open_page(window: Page, address: str, motion: str = "reduce", **words: str) -> Page:
    query = urlencode({"records": sample_records(), **words}, doseq=True)
    page = load(window, f"{address}/explore?{query}", motion=motion)
    expect(tiles(page).first).to_be_visible(timeout=SLOW)
    settled(page)
    return page


def tiles(page: Page) -> Locator:
    return page.locator("a.tile")


def count(page: Page, number: int, of: int = OBJECTS) -> Locator:
    return page.get_by_text(f"{number} of {of} objects")


def test_a_filter_stands_in_the_address_and_outlives_a_reload(window, address) -> None:
    page = open_page(window, address)
    expect(count(page, OBJECTS)).to_be_visible()
    page.get_by_role("button", name="large").click()
    left = sum(box["area"] >= 96**2 for box in read_coco(SAMPLES, SAMPLES / "truth.json").coco["annotations"])
    assert 0 < left < OBJECTS
    expect(tiles(page)).to_have_count(left, timeout=SLOW)
    assert all("large" in text for text in page.locator("a.tile .detail").all_inner_texts())
    settled(page)
    assert "sizes=large" in page.url
    page.reload()
    expect(count(page, left)).to_be_visible(timeout=SLOW)
    expect(tiles(page)).to_have_count(left, timeout=SLOW)
    page.get_by_role("button", name="Clear the filters").click()
    expect(count(page, OBJECTS)).to_be_visible(timeout=SLOW)


def test_wins_come_first_and_losses_last(window, address) -> None:
    page = open_page(window, address)
    gains = [float(text.split()[1]) for text in page.locator(".verdict").all_inner_texts() if "even" not in text]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0
    first = tiles(page).first
    expect(first.locator(".verdict")).to_have_text(re.compile(r"▲ \+0\.\d\d better"))
    assert first.locator("svg image").get_attribute("href").startswith("data:image/jpeg")
    # Each of the three boxes has a rim beneath it.
    expect(first.locator("svg rect")).to_have_count(6)


def test_a_picture_opens_in_compare_by_keyboard_and_by_its_link_and_back_leads_to_the_same_view(
    window, address
) -> None:
    page = open_page(window, address, classes="cat")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    (cat,) = tiles(page).all()
    cat.focus()
    page.keyboard.press("Enter")
    chosen = page.locator('[data-panel="obcn"] button[aria-pressed="true"]')
    expect(chosen).to_have_attribute("aria-label", re.compile("cat"), timeout=SLOW)
    assert "image=kitten.jpg" in page.url
    expect(page.locator('[data-panel="obcn"] [data-line="truth"]')).to_have_count(1)
    page.go_back()
    expect(count(page, 1)).to_be_visible(timeout=SLOW)
    expect(tiles(page)).to_have_count(1, timeout=SLOW)

    # The tile is a link, too, that a new tab can open.
    page.goto(tiles(page).first.evaluate("tile => tile.href"))
    expect(chosen).to_have_attribute("aria-label", re.compile("cat"), timeout=SLOW)
    assert errors == []


def test_a_data_set_without_records_offers_to_run_the_models(window, address) -> None:
    page = load(window, f"{address}/explore?truth=app/samples/truth.json&folder=app/samples&show=photos")
    expect(tiles(page)).to_have_count(7, timeout=SLOW)
    expect(page.get_by_text("Run models on these 7 photos")).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "explore-data-alone.png")


def test_nothing_jumps_while_the_order_changes(window, address) -> None:
    page = open_page(window, address, "no-preference")
    watch_shifts(page)
    before = tiles(page).first.get_attribute("href")
    page.get_by_role("combobox", name=re.compile("Order")).click()
    page.get_by_role("option", name="where it loses").click()
    expect(tiles(page).first).not_to_have_attribute("href", before, timeout=SLOW)
    settled(page)
    assert shifted(page) < 0.02
