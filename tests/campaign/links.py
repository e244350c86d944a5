"""Links: every parameter of every page, with words that no page wrote."""

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from streamlit.testing.v1 import AppTest

from app import hosting
from app.compare import scoring
from obcn.errors import UserError
from tests.app.test_empty_links import NAMES
from tests.app.test_errors_page import write
from tests.app.test_hosting import LINKS
from tests.app.test_navigation import MAIN, VIEWS
from tests.campaign.cases import HANDLED, SLOWEST, Case

WORDS = (
    *("", " ", "0", "-1", "1e999", "nan", "10**30", "None", "[]", "{}", "%00", "<script>alert(1)</script>", "x" * 3000),
    *(
        "/dev/zero",
        "/dev/stdin",
        "/etc/passwd",
        "../../../../etc/shadow",
        "~",
        "~nosuchuser",
        ".",
        "/",
        "/proc/self/mem",
    ),
    *(
        "upload:",
        "upload:0123",
        "dog",
        "regression",
        "photos",
        "\N{COLLISION SYMBOL}",
        "a\0b",
        "pipe",
        "link",
        "text.txt",
    ),
)
PARAMETERS = sorted({name for names in (*NAMES.values(), *LINKS.values()) for name in names})


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Links to one page after the other, without end; all must open."""
    os.chdir(folder)
    os.mkfifo("pipe")
    Path("link").symlink_to("/dev/zero")
    Path("text.txt").write_text("a secret that no page may tell\n")
    records = [write("a.parquet", "regression"), write("b.parquet", "bins", 1)]
    scoring.scores = no_network
    while True:
        view = rng.choice(VIEWS)
        link = {name: rng.choice(WORDS) for name in rng.sample(PARAMETERS, rng.choice((1, 2, 4, 8)))}
        if rng.random() < 0.5 and view in ("explore", "errors"):
            link["records" if view == "explore" else "files"] = records
        yield Case(f"{view}?{told(link)}", partial(_open, view, link), (HANDLED,))


def open_link(view: str, link: dict) -> AppTest:
    """The page that a link leads to.

    Raises:
        RuntimeError: it shows an exception.
    """
    page = AppTest.from_file(str(MAIN), default_timeout=SLOWEST)
    page.switch_page(f"{view}/{view}.py")
    for name, word in link.items():
        page.query_params[name] = word
    page.run()
    if page.exception:
        raise RuntimeError(page.exception[0].value)
    return page


def told(link: dict) -> str:
    """A link in a few words."""
    return repr("&".join(f"{name}={str(word)[:20]}" for name, word in link.items()))


def no_network(*_: object) -> None:
    """In place of the networks' scores, which would take most of the time."""
    raise UserError("no network runs here")


def _open(view: str, link: dict) -> None:
    os.environ[hosting.VARIABLE] = ""
    page = open_link(view, link)
    shown = " ".join(str(each.value) for kind in (page.error, page.warning, page.info) for each in kind)
    assert "secret that no page" not in shown
