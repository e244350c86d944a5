"""``obcn app`` as a process."""

import os
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow


def answers(port: int) -> bool:
    try:
        return urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).read() == b"ok"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM")
def test_ending_the_command_ends_the_server(tmp_path) -> None:
    """Mutant: the server runs on, unseen, and keeps its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true"}
    command = [sys.executable, "-m", "obcn.cli", "app", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            deadline = time.monotonic() + 120
            while not answers(port):
                assert app.poll() is None, "the command ended by itself"
                assert time.monotonic() < deadline
                time.sleep(0.3)
            app.send_signal(signal.SIGTERM)
            status = app.wait(60)
        finally:
            app.kill()
    assert status in (0, 128 + signal.SIGTERM)
    assert not answers(port)
