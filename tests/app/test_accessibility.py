"""Every page against axe-core's rules (WCAG), in both themes."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.app.browsing import ROOT, finished
from tests.app.sample_records import sample_records

VIEWS = sorted(path.stem for path in Path(ROOT / "app").glob("*/*.py") if path.stem == path.parent.name)
# Pages that are nearly bare without record files, and what names the files in their addresses.
WITH_RECORDS = {"explore": "records", "errors": "files"}


def violations(page) -> list[str]:
    """Serious and critical ones, each with the elements that break the rule."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def lasting_violations(page) -> list[str]:
    """Those that are still there a little later: colours glide where the page changes."""
    for _ in range(3):
        if not (found := violations(page)):
            return []
        page.wait_for_timeout(2000)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_page_has_a_serious_violation_as_a_newcomer_finds_it(browser, address, view, scheme) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page.goto(f"{address}/{'' if view == 'compare' else view}")
    finished(page)
    assert lasting_violations(page) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", WITH_RECORDS)
def test_no_page_of_records_has_a_serious_violation(browser, address, view, scheme) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page.goto(f"{address}/{view}?{urlencode({WITH_RECORDS[view]: sample_records()}, doseq=True)}")
    finished(page)
    assert lasting_violations(page) == []
    page.close()


def test_the_menu_of_a_narrow_screen_has_none(browser, address) -> None:
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.goto(f"{address}/loss_lab")
    finished(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Results").wait_for(state="visible")
    assert lasting_violations(page) == []
    page.close()


def test_a_violation_is_found(browser) -> None:
    page = browser.new_page()
    page.set_content('<html lang="en"><title>t</title><main><img src="data:,"></main></html>')
    assert [line.split(":")[0] for line in violations(page)] == ["image-alt"]
    page.close()
