"""What the project says of itself to pip."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import obcn
from obcn.resources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLACES = {"obcn": [], "app": ["app", "figures"], "analysis": ["analysis", "figures"]}


def imported(folder: Path) -> set[str]:
    """Top-level names of what the modules below a folder import."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - set(PLACES)


def told(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize("place", PLACES)
def test_all_that_is_imported_is_a_dependency(place: str) -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = list(PROJECT["dependencies"])
    for extra in PLACES[place] if place != "obcn" else set(extras) - {"dev"}:
        wanted += extras[extra]
    # typing_extensions and pydantic_core come with pydantic; supervision is asked for where it is missing.
    known = told(wanted) | {"typing-extensions", "pydantic-core", "supervision"}
    distributions = packages_distributions()
    for name in imported(ROOT / place):
        assert {each.lower().replace("_", "-") for each in distributions.get(name, [name])} & known, name


def test_the_version_is_said_once_more() -> None:
    assert PROJECT["version"] == obcn.__version__


def test_the_lock_names_a_version_of_every_dependency_and_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    locked = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in locked)
    extras = PROJECT["optional-dependencies"]
    wanted = told([*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]) - {"obcn"}
    assert wanted <= told(locked)
