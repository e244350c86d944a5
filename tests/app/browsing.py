"""What all browser tests do to a page: wait for it, put files in, and take its picture."""

from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "tests" / "screenshots"
# Resolves once a page that says what it is has been as it is for a quarter of a second: no script runs, and nothing
# changes or glides. A thread that is busy looks less often, so it takes looks that found nothing, not time.
STILL = """() => new Promise((resolve) => {
    let quiet = 0;
    const watcher = new MutationObserver(() => { quiet = 0; });
    watcher.observe(document.documentElement, {
        subtree: true, childList: true, attributes: true, characterData: true,
    });
    const ends = (animation) => animation.effect.getComputedTiming().endTime < Infinity;
    const look = () => {
        const there = document.querySelector("[data-testid=stHeading]")?.checkVisibility();
        const idle = document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]");
        const asked = document.querySelector("[data-testid=stStatusWidget]");
        const gliding = document.getAnimations().some((one) => one.playState === "running" && ends(one));
        quiet = there && idle && !asked && !gliding ? quiet + 1 : 0;
        if (quiet > 5) { watcher.disconnect(); resolve(); } else { setTimeout(look, 50); }
    };
    look();
})"""
SLOW = 600_000  # ms; the first visit also loads PyTorch and both checkpoints, perhaps on a busy machine


def load(window: Page, url: str, size: tuple[int, int] = (1440, 900), motion: str = "reduce") -> Page:
    """Load an address anew, as a visitor who comes for the first time.

    Args:
        window: whatever it shows is gone; its cache and its compiled scripts stay.
        url: the address.
        size: the window's width and height in pixels.
        motion: ``no-preference`` lets things glide and spin, which takes Chromium longer to show.

    Returns:
        The window, settled.
    """
    to_front(window)
    window.set_viewport_size({"width": size[0], "height": size[1]})
    window.emulate_media(color_scheme="light", reduced_motion=motion)
    if window.url != "about:blank":
        window.evaluate("localStorage.clear()")  # whether the side panel was open
    window.goto(url)
    settled(window)
    return window


def to_front(page: Page) -> None:
    """Show a page before the other tabs of its window: Chromium draws those behind about once a second."""
    page.bring_to_front()


def settled(page: Page) -> None:
    """Wait until the page's script has run to its end, nothing is being fetched, and boxes have stopped gliding.

    Waiting in the page takes no longer than it must: playwright's ``expect`` looks once a second.
    """
    page.evaluate(STILL)


def upload(page: Page, name: str, data: bytes) -> None:
    """Put a file into the page's first uploader."""
    page.locator('input[type="file"]').first.set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}, timeout=SLOW
    )


def watch_shifts(page: Page) -> None:
    """From now on add up how far things jump, for :func:`shifted`."""
    page.evaluate(
        """() => {
            window.shifted = 0;
            const add = (list) => list.getEntries().forEach((entry) => { window.shifted += entry.value; });
            new PerformanceObserver(add).observe({ type: "layout-shift" });
        }"""
    )


def shifted(page: Page) -> float:
    """The layout shift since :func:`watch_shifts`; 0.1 is what counts as good for a whole visit."""
    return page.evaluate("window.shifted")


def fits_sideways(page: Page) -> bool:
    """Whether nothing sticks out of the window to the right."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def whole_page(page: Page, name: str) -> None:
    """Save tests/screenshots/NAME.png of the whole page, not only of what the window shows."""
    height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    window = page.viewport_size
    page.set_viewport_size({"width": window["width"], "height": height})
    settled(page)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size(window)
