"""The Loss lab in a real browser: sliders by keyboard, the address, exports that arrive, and room on a telephone."""

import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.app.browsing import SLOW, load, settled, shifted, watch_shifts


def open_page(window: Page, address: str, query: str = "", width: int = 1440, motion: str = "reduce") -> Page:
    page = load(window, f"{address}/loss_lab{query}", (width, 900), motion)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=SLOW)
    return page


def slider(page: Page, label: str) -> Locator:
    return page.get_by_role("slider", name=re.compile(label))


def expect_mark(page: Page, figure: int, loss: str, *place: float) -> None:
    """Wait until a figure, which is drawn some time after its page's run, marks a loss at x, or x and y."""
    page.wait_for_function(
        """([figure, name, place]) => {
            const traces = document.querySelectorAll(".js-plotly-plot")[figure]?.data ?? [];
            const mark = traces.find((trace) => trace.name === name);
            const at = mark ? [Object.values(mark.x)[0], Object.values(mark.y)[0]] : [];
            return place.every((value, axis) => Math.abs(at[axis] - value) < 1e-6);
        }""",
        arg=[figure, f"{loss} here", place],
        timeout=SLOW,
    )


def test_the_error_is_dragged_by_keyboard_and_kept_in_the_address(window, address) -> None:
    page = open_page(window, address, motion="no-preference")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    watch_shifts(page)
    expect_mark(page, 1, "L2", 2, 2)
    slider(page, "Error").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"error=1\.8"), timeout=SLOW)
    expect_mark(page, 1, "L2", 1.8, 1.8)
    expect_mark(page, 1, "Smooth L1", 1.8, 1.0)  # clipped
    settled(page)
    assert shifted(page) < 0.05
    assert errors == []


def test_a_link_shows_what_was_seen(window, address) -> None:
    page = open_page(window, address, "?losses=L2&losses=DFL&error=-2.5&step=3&m=10")
    expect_mark(page, 1, "L2", -2.5, 2.5)
    expect_mark(page, 2, "L2", 3)
    bars = page.locator(".js-plotly-plot").nth(4).evaluate("plot => Object.values(plot.data[0].y).length")
    assert bars == 12
    expect(slider(page, "Error")).to_have_value("-2.5")


def test_figures_and_table_arrive_as_files(window, address) -> None:
    page = open_page(window, address)
    for popover, button, begins in (
        ("Export table", "JSON", b"["),
        ("Export table", "CSV", b"loss,"),
        ("Export figures", "HTML", b"<!doctype html>"),
        ("Export figures", "SVG", b"<svg"),
        ("Export figures", "PNG", b"\x89PNG"),
    ):
        page.get_by_test_id("stPopoverButton").filter(has_text=popover).click()
        opened = page.get_by_test_id("stPopoverBody")
        with page.expect_download(timeout=SLOW) as waiting:
            opened.get_by_role("button", name=button, exact=True).first.click()
        content = Path(waiting.value.path()).read_bytes()
        assert content.startswith(begins), button
        if button == "JSON":
            assert [row["loss"] for row in json.loads(content)] == ["L2", "Smooth L1", "GIoU", "offset bins"]
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)


def test_pages_are_reached_from_the_menu_of_a_narrow_screen(window, address) -> None:
    page = open_page(window, address, width=400)
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Models").click()
    expect(page).to_have_url(re.compile("/models"), timeout=SLOW)
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible(timeout=SLOW)
