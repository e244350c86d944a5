"""Visitors who come before the server has loaded anything; by hand: ``python -m tests.app.cold_start --starts 10``."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.app.browsing import SLOW
from tests.app.serving import chromium, served

WINDOWS = 6


def visit_cold(browser: Browser, folder: Path, later: float) -> int:
    """Start a server in an empty folder and let seven visitors in before it has loaded, and one more afterwards.

    Six windows open at once, and one of them is reloaded within two seconds, which is a seventh visit.

    Args:
        browser: where the windows open.
        folder: the server's; its log stays there.
        later: seconds between the first boxes and the last visitor.

    Returns:
        How many of them saw boxes.

    Raises:
        AssertionError: somebody sees no boxes or an error, or the server's log has one.
    """
    log = folder / "server.log"
    with served(folder, log) as url:
        context = browser.new_context(reduced_motion="reduce")
        pages = [context.new_page() for _ in range(WINDOWS)]
        for page in pages:
            page.goto(url, wait_until="commit", timeout=SLOW)
        pages[-1].wait_for_timeout(1000)
        pages[-1].reload(wait_until="commit", timeout=SLOW)
        seen = _all_see_boxes(pages) + 1  # whoever reloaded came twice
        pages[0].wait_for_timeout(1000 * later)
        pages.append(context.new_page())
        pages[-1].goto(url, wait_until="commit", timeout=SLOW)
        seen += _all_see_boxes(pages[-1:])
        _all_see_boxes(pages)
        context.close()
    output = log.read_text(encoding="utf-8")
    assert "Traceback" not in output, output
    assert "Error" not in output, output
    return seen


def _all_see_boxes(pages: Sequence[Page]) -> int:
    for page in pages:
        expect(_boxes(page).or_(page.get_by_test_id("stException")).first).to_be_visible(timeout=SLOW)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    return sum(_boxes(page).count() > 0 for page in pages)


def _boxes(page: Page) -> Locator:
    return page.locator("[data-panel] button[data-object]")


def main(arguments: Sequence[str] | None = None) -> None:
    """Some cold starts in a row; the first that fails ends them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--later", type=float, default=60, help="seconds until the last visitor comes")
    options = parser.parse_args(arguments)
    with chromium() as browser:
        for start in range(1, options.starts + 1):
            with tempfile.TemporaryDirectory(prefix="obcn-cold-") as folder:
                seen = visit_cold(browser, Path(folder), options.later)
            print(f"start {start} of {options.starts}: {seen} of {WINDOWS + 2} visits see boxes", flush=True)


if __name__ == "__main__":
    main()
