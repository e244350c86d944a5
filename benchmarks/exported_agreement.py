"""Whether the file that `obcn export` wrote says what its detector says: final boxes of both, photo by photo.

Example: `python -m benchmarks.exported_agreement obcn obcn.onnx`
"""

import json
from pathlib import Path
from typing import Annotated

import onnxruntime
import torch
import typer

from benchmarks.measured import RESULTS
from benchmarks.timing import machine
from obcn.checkpoints import current_commit, now
from obcn.data.voc import read_voc
from obcn.explain import select
from obcn.exporting.agreement import NOTHING, agreement
from obcn.exporting.write import TOLERANCE
from obcn.files import write_whole
from obcn.opening import open_detector


def main(
    model: Annotated[str, typer.Argument(help="A checkpoint.")],
    file: Annotated[Path, typer.Argument(help="The .onnx file made of it.")],
    voc: Annotated[Path, typer.Option(help="VOC folder.")] = Path("data/voc2012-animals"),
    split: Annotated[str, typer.Option(help="Of the VOC folder.")] = "val",
    count: Annotated[int, typer.Option(min=1, help="How many photos, the first of the split.")] = 50,
    output: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "exported_agreement.json",
) -> None:
    """Print and write how many boxes both have and how far they lie apart; fail above what `obcn export` allows."""
    ours, _ = open_detector(model)
    theirs, _ = open_detector(str(file))
    truth = read_voc(voc, split, ours.classes)
    agreed = NOTHING
    for image in truth.images[:count]:
        photo = truth.photo(image)
        agreed += agreement(*(select(each.score(photo), each.codec, each.thresholds) for each in (ours, theirs)))
    about = {
        "command": f"python -m benchmarks.exported_agreement {model} {file.name} --split {split} --count {count}",
        "commit": current_commit(),
        "date": now(),
        "machine": machine(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    figures = {"photos": len(truth.images[:count]), "boxes": agreed.boxes, "found by one alone": agreed.alone}
    figures |= {"largest distance in pixels": agreed.pixels, "allowed": TOLERANCE, "largest in score": agreed.score}
    typer.echo("\n".join(f"{name}: {value}" for name, value in figures.items()))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, (json.dumps(about | figures, indent=1) + "\n").encode())
    if agreed.alone or agreed.pixels > TOLERANCE:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
