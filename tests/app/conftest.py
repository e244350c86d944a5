"""What tests of the app share: one running server, a browser for each file, one search for components."""

from collections.abc import Iterator
from functools import cache

import pytest
from playwright.sync_api import Browser, expect
from streamlit.components.v2 import manifest_scanner

from tests.app.serving import chromium, served

# Where several workers share two cores, five seconds are soon gone.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session", autouse=True)
def _one_search_for_components() -> Iterator[None]:
    """A server looks for components in every installed package as it starts, and each AppTest starts one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    """A running server's address; one server for all tests, as it is one server for all visitors.

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, until its file of tests ends: while playwright runs, no other test of the thread can use asyncio."""
    with chromium() as browser:
        yield browser
