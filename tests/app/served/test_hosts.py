"""Under which names a running server answers: a web page whose own name leads to this machine must not drive it."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.app.serving import hosting

# The servers take longer than what is asked of them.
pytestmark = pytest.mark.slow

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def handshake(address: str, host: str, origin: str) -> int:
    """The status of the answer to a request for the connection that everything on a page comes through."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
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
    with hosting(tmp_path, "lab.example") as address:
        listening = Path("/proc/net/tcp").read_text()
        assert f" 00000000:{urlsplit(address).port:04X} " in listening, "not to the loopback alone"
        for name, status in (("lab.example", 101), ("localhost", 101), ("evil.example", 403)):
            assert handshake(address, name, f"http://{name}") == status
