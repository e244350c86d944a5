"""What tests of the running app share: one server and one window to look at it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.app.serving import chromium, served

# Where several workers share two cores, five seconds are soon gone.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="package")
def address(tmp_path_factory) -> Iterator[str]:
    """A running server's address; one server for all tests of a worker, as it is one server for all visitors.

    Whatever the tests do on its pages, its log must hold no stack as Streamlit's warnings have. One of an
    error may be there: a test closes its page while the server writes to it.
    """
    folder = tmp_path_factory.mktemp("server")
    log = folder / "server.log"
    (folder / "clone").mkdir()
    with served(folder / "clone", log) as url:
        yield url
    output = log.read_text(encoding="utf-8")
    assert "Stack (most recent call last)" not in output, output


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, for these tests alone: while playwright runs, no other test of the thread can use asyncio."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def window(browser: Browser) -> Page:
    """One window for all tests, each of which loads its page anew.

    A window that has shown the app before has its scripts compiled: a page takes Chromium a third of the work then.
    """
    return browser.new_context().new_page()
