"""One running server and a browser for every file of browser tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.app.browsing import ROOT

BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# What a newcomer has; a developer's own records and data sets would change what the pages show.
CLONED = (".streamlit", "app", "checkpoints", "results")


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    """A running server's address; one server for all tests, as it is one server for all visitors."""
    folder = tmp_path_factory.mktemp("clone")
    for name in CLONED:
        (folder / name).symlink_to(ROOT / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    options = ["--server.headless", "true", "--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {"STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"}
    server = subprocess.Popen([*command, *options], cwd=folder, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, "the server ended"
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail("the server did not answer within a minute")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:  # it lets a running script end first
            server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; a missing one is a failure, for these tests are the only ones that see what users see.

    It ends with its file of tests: while playwright runs, no other test of the thread could use asyncio.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium here: install Debian's package chromium to run the browser tests"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGUMENTS)
        yield chromium
        chromium.close()
