"""What is found in .onnx files of other people's packages, and how well it gives back the files' own boxes.

Files lie in a folder for each package; `docs/any-detector.md` has the table.

Example: `python -m benchmarks.opened exports`
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import onnxruntime
import typer

from benchmarks.measured import RESULTS
from obcn.checkpoints import current_commit, now
from obcn.errors import UserError
from obcn.exported import open_exported
from obcn.files import write_whole


def main(
    folder: Annotated[Path, typer.Argument(help="Has a folder of .onnx files for each package and version.")],
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "opened.json",
) -> None:
    """Open every file, print and write what was found, and print the table of the page; fail where one is refused."""
    opened = []
    for file in sorted(folder.glob("*/*.onnx")):
        found = _found(file)
        opened.append({"package": file.parent.name, "file": file.stem} | found)
        typer.echo(f"{file.parent.name:<24}{file.stem:<28}{found['found']}")
    about = {"command": f"python -m benchmarks.opened {folder.name}", "commit": current_commit(), "date": now()}
    written = about | {"onnxruntime": onnxruntime.__version__, "files": opened}
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, (json.dumps(written, indent=1) + "\n").encode())
    typer.echo(table(opened))
    if any(each["family"] == "refused" for each in opened):
        raise typer.Exit(1)


def table(opened: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table of the files with distributions."""
    lines = ["| from | file | found | check |", "|---|---|---|---|"]
    for each in opened:
        if each["family"] not in ("none", "refused"):
            lines.append(f"| {each['package']} | {each['file']} | {each['found']} | {each['check']} |")
    return "\n".join(lines)


def _found(file: Path) -> dict[str, str]:
    try:
        card = open_exported(file).card
    except UserError as error:
        return {"family": "refused", "found": str(error), "check": ""}
    layers = f", {card.layers} layers" if card.layers > 1 else ""
    found = f"{card.family}, {len(card.points)} points{layers}" if card.points else card.family
    return {"family": card.family, "found": found, "check": card.checked}


if __name__ == "__main__":
    typer.run(main)
