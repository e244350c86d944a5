"""The Errors page in a real browser, on record files of the sample photos."""

import re
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from tests.app.browsing import SLOW, load, settled, shifted, watch_shifts
from tests.app.sample_records import OBJECTS, sample_records

CHARTS = 4 + 4 + 4 + 4 + 2


def open_page(window: Page, address: str, motion: str = "reduce", **words: str) -> Page:
    query = urlencode({"files": sample_records(), **words}, doseq=True)
    page = load(window, f"{address}/errors?{query}", (1440, 1000), motion)
    expect(charts(page)).to_have_count(CHARTS, timeout=SLOW)
    settled(page)
    return page


def charts(page: Page) -> Locator:
    return page.locator(".js-plotly-plot")


def show_buttons(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile(r"Show th\w+ .*in Explore"))


def click_on(page: Page, mark: Locator) -> None:
    """Click where a bar or point is drawn: plotly listens to the pointer, not to its elements."""
    mark.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box = mark.bounding_box()
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*at)
    page.wait_for_timeout(300)
    page.mouse.click(*at)


def test_a_bar_leads_to_its_objects(window, address) -> None:
    page = open_page(window, address)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    bars = charts(page).first.locator(".bars .point path")
    tallest = max(range(bars.count()), key=lambda number: bars.nth(number).bounding_box()["height"])
    click_on(page, bars.nth(tallest))
    expect(show_buttons(page)).to_have_count(2, timeout=SLOW)
    label = show_buttons(page).last.inner_text()
    number = int(re.search(r"these (\d+) objects", label)[1])
    assert number > 1
    show_buttons(page).last.click()
    expect(page.get_by_text(f"{number} of {OBJECTS} objects")).to_be_visible(timeout=SLOW)
    expect(page.locator("a.tile")).to_have_count(number, timeout=SLOW)
    assert "measure=error+in+x" in page.url
    assert errors == []


def test_a_point_of_a_class_leads_to_that_class(window, address) -> None:
    page = open_page(window, address)
    # The third row of figures is by class; its first marker is the first class's.
    click_on(page, charts(page).nth(8).locator(".scatterlayer .points path").first)
    expect(show_buttons(page)).to_have_count(1, timeout=SLOW)
    show_buttons(page).click()
    expect(page.locator("a.tile").first).to_be_visible(timeout=SLOW)
    settled(page)
    assert len(set(page.locator("a.tile b").all_inner_texts())) == 1
    assert "classes=" in page.url


def test_the_keyboard_can_choose_what_a_click_can(window, address) -> None:
    page = open_page(window, address)
    page.get_by_role("combobox", name=re.compile("Chosen size")).focus()
    page.keyboard.type("large")
    page.keyboard.press("Enter")
    expect(show_buttons(page)).to_have_count(1, timeout=SLOW)
    show_buttons(page).focus()
    page.keyboard.press("Enter")
    expect(page.locator("a.tile").first).to_be_visible(timeout=SLOW)
    assert "sizes=large" in page.url


def test_the_choice_of_files_goes_along_to_explore_and_back(window, address) -> None:
    page = open_page(window, address)
    menu = page.get_by_test_id("stTopNav")
    menu.get_by_role("link", name="Explore").click()
    expect(page.get_by_text(f"{OBJECTS} of {OBJECTS} objects")).to_be_visible(timeout=SLOW)
    menu.get_by_role("link", name="Errors").click()
    expect(charts(page)).to_have_count(CHARTS, timeout=SLOW)
    assert page.url.count("obcn-test-records") == 2


def test_nothing_jumps_while_another_bar_is_chosen(window, address) -> None:
    page = open_page(window, address, "no-preference")
    page.get_by_role("combobox", name=re.compile("Chosen bar")).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(show_buttons(page)).to_have_count(2, timeout=SLOW)
    settled(page)
    watch_shifts(page)
    page.get_by_role("combobox", name=re.compile("Chosen bar")).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settled(page)
    assert shifted(page) < 0.02
