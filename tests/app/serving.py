"""The app as a newcomer has it, served and looked at in Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from playwright.sync_api import Browser, sync_playwright

from tests.app.browsing import ROOT

# What a newcomer has; a developer's own records and data sets would change what the pages show.
CLONED = ("app", "checkpoints", "results")

BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--no-opt",  # a page is gone before code that is compiled anew for speed has paid for that
]


@contextmanager
def served(folder: Path, log: Path | None = None) -> Iterator[str]:
    """The address of a server that runs in a folder, which gets what a clone has.

    Args:
        folder: an empty one.
        log: where to write what the server says; by default where the test's own words go.
    """
    for name in CLONED:
        (folder / name).symlink_to(ROOT / name)
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    options = ["--server.headless", "true", "--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = {"STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"}
    with (
        open(log, "wb") if log else nullcontext() as output,
        _running([*command, *options], folder, environment, output) as server,
    ):
        yield answering(server, f"http://127.0.0.1:{port}")


@contextmanager
def hosting(folder: Path, *names: str) -> Iterator[str]:
    """The address of a server for strangers, as the Containerfile starts it.

    Args:
        folder: where it runs.
        names: by which browsers reach it.
    """
    port = free_port()
    command = [sys.executable, "-c", "from obcn.cli import main; main()", "app", "--port", str(port), "--hosted"]
    words = [word for name in names for word in ("--host", name)]
    environment = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_SERVER_HEADLESS": "true"}
    with _running([*command, *words], folder, environment) as server:
        yield answering(server, f"http://127.0.0.1:{port}")


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(
    command: list[str], folder: Path, environment: dict[str, str], output: IO[bytes] | None = None
) -> Iterator[subprocess.Popen]:
    """A process that is ended with all that it started."""
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:  # it lets a running script end first
            os.killpg(server.pid, signal.SIGKILL)


def answering(server: subprocess.Popen, url: str) -> str:
    """The address, once the server answers there."""
    for _ in range(720):
        assert server.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
            return url
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server did not answer within three minutes")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium; a missing one is a failure, for nothing else sees what users see."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no Chromium here: install Debian's package chromium to run the browser tests"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()
