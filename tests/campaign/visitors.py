"""Six windows at one server: at a cold one at once, then each with photos of its own for some minutes."""

import random
import time
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.app.browsing import SLOW, settled, upload
from tests.app.cold_start import WINDOWS, visit_cold
from tests.app.helpers import photo_bytes
from tests.app.serving import chromium, served
from tests.campaign.cases import HANDLED, SLOWEST_WHOLE, Case

MINUTES = 3


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """The cold start, then uploads in turn until the time is up; every window must see its own photo."""
    cold, warm = folder / "cold", folder / "warm"
    cold.mkdir()
    warm.mkdir()
    with chromium() as browser:
        yield Case(
            "six windows at a cold server, one reloaded, one later",
            partial(_cold, browser, cold),
            (HANDLED,),
            SLOWEST_WHOLE,
        )
        with served(warm, folder / "server.log") as url:
            windows = [browser.new_page() for _ in range(WINDOWS)]
            for window in windows:
                window.goto(url, wait_until="commit", timeout=SLOW)
            until = time.monotonic() + 60 * MINUTES
            while time.monotonic() < until:
                number = rng.randrange(WINDOWS)
                content = photo_bytes("PNG", rng.randrange(40, 900), rng.randrange(40, 900))
                yield Case(
                    f"window {number} uploads", partial(_upload, windows[number], content), (HANDLED,), SLOWEST_WHOLE
                )
            for number, window in enumerate(windows):
                yield Case(f"window {number} has seen no exception", partial(_unharmed, window), (HANDLED,))
    said = (folder / "server.log").read_text(encoding="utf-8")
    yield Case("the server's log has no traceback", partial(_quiet, said), (HANDLED,))


def _cold(browser, folder: Path) -> None:
    seen = visit_cold(browser, folder, later=5)
    assert seen == WINDOWS + 2, f"{seen} visits saw boxes"


def _upload(window: Page, content: bytes) -> None:
    upload(window, "mine.png", content)
    mine = sha256(b"mine.png\0" + content).hexdigest()[:32]
    window.wait_for_url(lambda url: mine in url, timeout=SLOW)
    settled(window)
    assert mine in window.url, "the window shows another photo"
    _unharmed(window)


def _unharmed(window: Page) -> None:
    expect(window.get_by_test_id("stException")).to_have_count(0)


def _quiet(said: str) -> None:
    assert "Traceback" not in said, said[-500:]
