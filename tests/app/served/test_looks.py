"""Every page wide and narrow, in both themes: nothing sticks out, figures follow the theme, axe-core finds no fault."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from obcn.figures.palette import DARK, LIGHT
from tests.app.browsing import ROOT, SLOW, fits_sideways, load, settled, to_front, whole_page
from tests.app.sample_records import OBJECTS, sample_records

VIEWS = sorted(path.stem for path in Path(ROOT / "app").glob("*/*.py") if path.stem == path.parent.name)
# Pages that are nearly bare without record files, and what names the files in their addresses.
WITH_RECORDS = {"explore": "records", "errors": "files"}
# Those with records last: the pages remember what was chosen.
LOOKS = [*((view, False) for view in VIEWS), *((view, True) for view in WITH_RECORDS)]
# What a page shows once it is whole.
SHOWN = {
    ("compare", False): (".js-plotly-plot:has(.barlayer)", 4),
    ("errors", True): (".js-plotly-plot", 18),
    ("explore", True): ("a.tile", OBJECTS),
    ("loss_lab", False): (".js-plotly-plot", 5),
}
TITLES = {view: view.replace("_", " ").capitalize() for view in VIEWS}
INKS = {"light": LIGHT.ink, "dark": DARK.ink}


def violations(page: Page) -> list[str]:
    """Serious and critical ones, each with the elements that break the rule."""
    # What passed, which is most of a page, need not be described.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def lasting_violations(page: Page) -> list[str]:
    """Those that are still there a little later: colours glide where the page changes."""
    for _ in range(3):
        if not (found := violations(page)):
            return []
        page.wait_for_timeout(2000)
    return found


def shown(page: Page, view: str, records: bool) -> None:
    """Wait until a page is whole."""
    settled(page)
    if (view, records) in SHOWN:
        what, count = SHOWN[view, records]
        expect(page.locator(what)).to_have_count(count, timeout=SLOW)


def expect_ink(page: Page, scheme: str) -> None:
    """Wait until the titles of all figures have the theme's colour."""
    red, green, blue = bytes.fromhex(INKS[scheme].removeprefix("#"))
    page.wait_for_function(
        "ink => [...document.querySelectorAll('.gtitle')].every(title => getComputedStyle(title).fill === ink)",
        arg=f"rgb({red}, {green}, {blue})",
    )


@pytest.fixture(scope="module")
def windows(window: Page) -> Iterator[dict[int, Page]]:
    """A window by its width."""
    opened = {width: window.context.new_page() for width in (1440, 400)}
    for width, page in opened.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(reduced_motion="reduce")
    yield opened
    for page in opened.values():
        page.close()


def visit(page: Page, url: str) -> None:
    """Go to one of the app's pages, but for the first time as Back and Forward go: nothing is loaded anew."""
    to_front(page)
    if page.url == "about:blank":
        page.goto(url)
    else:
        page.evaluate("url => { history.pushState(null, '', url); dispatchEvent(new PopStateEvent('popstate')); }", url)


def schemes_of(page: Page) -> tuple[str, str]:
    """The one that the window has, and then the other."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return ("dark", "light") if dark else ("light", "dark")


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize(("view", "records"), LOOKS)
def test_a_page_is_fit_to_be_seen(windows: dict[int, Page], address: str, view, records, width) -> None:
    page = windows[width]
    words = urlencode({WITH_RECORDS[view]: sample_records()}, doseq=True) if records else ""
    visit(page, f"{address}/{'' if view == 'compare' else view}?{words}")
    page.get_by_role("heading", name=TITLES[view], exact=True).wait_for(timeout=SLOW)
    for scheme in schemes_of(page):
        page.emulate_media(color_scheme=scheme)
        shown(page, view, records)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect_ink(page, scheme)
        settled(page)
        assert fits_sideways(page)
        widths = "parts => parts.map(part => part.getBoundingClientRect().width)"
        assert max(page.locator(".js-plotly-plot, a.tile").evaluate_all(widths), default=0) <= width
        if width == 1440:
            assert lasting_violations(page) == []
        whole_page(page, f"{view}{'-records' * records}-{width}-{scheme}")


def test_the_menu_of_a_narrow_screen_has_no_fault(window: Page, address: str) -> None:
    page = load(window, f"{address}/loss_lab", (400, 800))
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Results").wait_for(state="visible")
    assert lasting_violations(page) == []


def test_a_fault_is_found(window: Page) -> None:
    window.set_content('<html lang="en"><title>t</title><main><img src="data:,"></main></html>')
    assert [line.split(":")[0] for line in violations(window)] == ["image-alt"]
