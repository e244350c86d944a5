"""Requests to running servers, one's own and a hosted one, under names that are not theirs, and paths that climb."""

import http.client
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from obcn.errors import UserError
from tests.app.serving import hosting, served
from tests.app.test_hosts import handshake
from tests.campaign.cases import HANDLED, REFUSED, Case

OWN = ("localhost", "LocalHost", "localhost.", "127.0.0.1", "[::1]")
NAME = "lab.example"
FOREIGN = (
    *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "localhost@evil.example"),
    *("evil.example#localhost", "evil.example/localhost", "evil.example?localhost", "192.0.2.1", "127.0.0.2", "127.1"),
    *("2130706433", "0x7f000001", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "*", "*.example", "localhost,evil.example"),
    *("x" * 4000, "lab.example.evil.example", "evil.lab.example", "null"),
)
# This machine by another name: nobody else's page can come from there.
ORIGINS = tuple(name for name in FOREIGN if name != "0.0.0.0")
PATHS = (
    *("/media/../../../../etc/passwd", "/media/..%2f..%2f..%2f..%2fetc%2fpasswd", "/static/..%5c..%5c..%5cetc/passwd"),
    *(
        "/app/static/../../../../etc/passwd",
        "//etc/passwd",
        "/_stcore/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ),
    *("/component/x/../../../../etc/passwd", "/_stcore/upload_file/../../etc/passwd", "/media/" + "a" * 3000, "/%00"),
)


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Every name once at each server, then names, origins and paths at random without end."""
    for name in ("own", "hosted"):
        (folder / name).mkdir()
    with served(folder / "own") as own, hosting(folder / "hosted", NAME) as hosted:
        servers = {"one's own": (own, OWN, (*FOREIGN, NAME)), "a hosted": (hosted, (*OWN, NAME), FOREIGN)}
        for server, (address, known, foreign) in servers.items():
            port = urlsplit(address).port
            for name in known:
                for host in (name, f"{name}:{port}"):
                    yield Case(
                        f"{server} server as {host}", partial(_connect, address, host, f"http://{host}"), (HANDLED,)
                    )
            for name in foreign:
                what = f"{server} server as {name[:40]}, by Host and Origin"
                yield Case(what, partial(_connect, address, name, f"http://{name}"), (REFUSED,))
        while True:
            server = rng.choice(list(servers))
            address, known, foreign = servers[server]
            port = urlsplit(address).port
            host = rng.choice(foreign) + rng.choice(("", f":{port}", ":80", ":"))
            origin = rng.choice((host, rng.choice(foreign), rng.choice(known)))
            scheme = rng.choice(("http", "https", "file", "chrome-extension"))
            what = f"{server} server as {host[:40]} for a page of {scheme}://{origin[:40]}"
            yield Case(what, partial(_connect, address, host, f"{scheme}://{origin}"), (REFUSED,))
            origin = f"{scheme}://{rng.choice(ORIGINS)}"
            what = f"{server} server by its name for a page of {origin[:40]}"
            yield Case(what, partial(_connect, address, rng.choice(known), origin), (REFUSED,))
            path = rng.choice(PATHS)
            yield Case(f"{server} server: {path[:40]}", partial(_fetch, address, path), (HANDLED,))


def _connect(address: str, host: str, origin: str) -> None:
    """Ask for the connection through which a page drives the server."""
    status = handshake(address, host, origin)
    if status in (400, 403):
        raise UserError(f"answered {status}")
    assert status == 101, f"answered {status}"


def _fetch(address: str, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status < 500, f"answered {answer.status}"
        assert b"root:" not in answer.read()
    finally:
        connection.close()
