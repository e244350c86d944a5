"""Under which names a running server answers: a web page whose own name leads to this machine must not drive it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.app.serving import answering

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def handshake(address: str, host: str, origin: str) -> int:
    """The status of the answer to a request for the connection that everything on a page comes through."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request("GET", "/_stcore/stream", headers={**UPGRADE, "Host": host, "Origin": origin})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machines_own_names_are_answered(address, name) -> None:
    port = urlsplit(address).port
    assert handshake(address, f"{name}:{port}", f"http://{name}:{port}") == 101


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1"])
def test_other_names_are_refused_though_origin_and_host_agree(address, name) -> None:
    port = urlsplit(address).port
    assert handshake(address, f"{name}:{port}", f"http://{name}:{port}") == 403
    assert handshake(address, name, f"http://{name}") == 403


def test_a_foreign_page_is_refused_by_its_origin(address) -> None:
    assert handshake(address, urlsplit(address).netloc, "http://evil.example") == 403


def test_the_owner_of_a_hosted_server_adds_names(tmp_path) -> None:
    """As the Containerfile starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from obcn.cli import main; main()", "app", "--port", str(port), "--hosted"]
    environment = os.environ | {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen(
        [*command, "--host", "lab.example"], cwd=tmp_path, env=environment, start_new_session=True
    )
    try:
        address = answering(server, f"http://127.0.0.1:{port}")
        listening = Path("/proc/net/tcp").read_text()
        assert f" 00000000:{port:04X} " in listening, "not to the loopback alone"
        for name, status in (("lab.example", 101), ("localhost", 101), ("evil.example", 403)):
            assert handshake(address, name, f"http://{name}") == status
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
