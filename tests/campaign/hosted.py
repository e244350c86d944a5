"""A hosted server: every parameter of every page, with paths of a folder that nothing may be opened in."""

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from app import hosting
from app.compare import scoring
from tests.app.test_navigation import VIEWS
from tests.app.watching import lay_out, watched
from tests.campaign.cases import HANDLED, Case
from tests.campaign.links import PARAMETERS, no_network, open_link, told

FILES = ("", "truth.json", "dog.jpg", "a.parquet", "regression.safetensors", "regression.json", "nothing.txt")


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """Links without end; each must open its page, and nothing of the folder."""
    os.chdir(folder)
    secret = lay_out(folder / "secret")
    Path("runs/records").mkdir(parents=True)
    for door in ("door", "runs/records/door"):
        Path(door).symlink_to(secret)
    scoring.scores = no_network
    places = ("secret", "./secret", str(secret), "door", "runs/../secret", f"~/{os.path.relpath(secret, Path.home())}")
    while True:
        view = rng.choice(VIEWS)
        words = [str(Path(rng.choice(places)) / rng.choice(FILES)) for _ in range(8)]
        # A photo's name is joined to a folder: it is given alone as well.
        link = {name: rng.choice((*words, *FILES)) for name in rng.sample(PARAMETERS, rng.choice((1, 2, 4, 8)))}
        yield Case(f"{view}?{told(link)}", partial(_open, view, link, secret), (HANDLED,))


def _open(view: str, link: dict, secret: Path) -> None:
    os.environ[hosting.VARIABLE] = "1"
    with watched(secret) as opened:
        page = open_link(view, link)
    assert not opened, f"opened {opened[0]}"
    assert not page.text_input, "a page asks for a path"
