"""Configs, cards and weights: numbers that no detector has, and files that were not written by this project."""

import json
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from obcn.checkpoints import SHIPPED_CHECKPOINTS, card_path, load_checkpoint
from obcn.config import load_config
from obcn.resources import ROOT
from tests.campaign.cases import HANDLED, ODD_VALUES, REFUSED, Case, damage, swap_one

# Numbers that would fill the memory or take for ever, by the words that stand before them.
BOMBS = {
    "num_stages": 10**7,
    "hidden": 10**30,
    "max_size": 10**6,
    "fpn_channels": 10**8,
    "min_size": 1,
    "epochs": 10**30,
}


def cases(rng: random.Random, folder: Path) -> Iterator[Case]:
    """The shipped ones whole, then bombs, then odd values and damage without end."""
    configs = sorted((ROOT / "configs").glob("*.yaml"))
    for path in configs:
        yield Case(f"config {path.stem}", partial(_config, path), (HANDLED,))
    shipped = SHIPPED_CHECKPOINTS / "obcn.safetensors"
    yield Case("the shipped checkpoint", partial(_checkpoint, shipped), (HANDLED,))
    number = 0
    for key, value in BOMBS.items():
        card = _set_everywhere(json.loads(card_path(shipped).read_text()), key, value)
        yield Case(f"card: {key} {value}", partial(_checkpoint, _beside(folder, number, shipped, card)), (REFUSED,))
        number += 1
    while True:
        number += 1
        kind, value = rng.choice(("config", "config", "card", "weights")), rng.choice(ODD_VALUES)
        if kind == "config":
            place, changed = swap_one(rng, yaml.safe_load(rng.choice(configs).read_text()), value)
            path = folder / f"{number}.yaml"
            path.write_bytes(yaml.safe_dump(changed).encode(errors="replace"))
            yield Case(f"config{place} is {repr(value)[:40]}", partial(_config, path))
        elif kind == "card":
            place, changed = swap_one(rng, json.loads(card_path(shipped).read_text()), value)
            path = _beside(folder, number, shipped, changed)
            yield Case(f"card{place} is {repr(value)[:40]}", partial(_checkpoint, path))
            shutil.rmtree(path.parent)
        else:
            path = _beside(folder, number, shipped, json.loads(card_path(shipped).read_text()))
            content = damage(rng, path.read_bytes())
            path.unlink()  # a link to the shipped one
            path.write_bytes(content)
            yield Case("weights, damaged", partial(_checkpoint, path))
            shutil.rmtree(path.parent)


def _config(path: Path) -> None:
    load_config(str(path)).box_head.offsets.build()


def _checkpoint(path: Path) -> None:
    load_checkpoint(str(path))


def _beside(folder: Path, number: int, weights: Path, card: object) -> Path:
    """A checkpoint with the weights of another and a card of its own."""
    place = folder / str(number)
    place.mkdir()
    (place / "m.safetensors").symlink_to(weights)
    (place / "m.json").write_text(json.dumps(card))
    return place / "m.safetensors"


def _set_everywhere(content: object, key: str, value: object) -> object:
    if isinstance(content, dict):
        return {name: value if name == key else _set_everywhere(each, key, value) for name, each in content.items()}
    return content
