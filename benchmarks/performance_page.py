"""Write ``docs/performance.md`` from the files that the benchmarks wrote.

Example: `python -m benchmarks.performance_page`
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import typer

from benchmarks.compare_latency import UPLOAD
from benchmarks.loss_curve import FAST as FAST_RUN
from benchmarks.loss_curve import OTHER as OTHER_RUN
from benchmarks.loss_curve import PLAIN as PLAIN_RUN
from benchmarks.measured import PLAIN, RESULTS, read_result
from obcn.files import write_whole

PAGE = Path("docs/performance.md")

_OPENING = """# How fast it is

Written by `python -m benchmarks.performance_page` from `results/benchmarks/`, where each file names the command,
commit, date and machine that made it. Both sides of a comparison take turns in one process, so that another program's
load falls on both; the figures are medians, with quartiles.
"""

_INFERENCE = """
## A photo through the detector

torchvision's own FasterRCNN has the same trunk, proposal network, head width and weights as the shipped regression.
Ours gets ahead by BatchNorm folded into the convolutions at loading, by RoIAlign as one `embedding_bag` on the CPU, and
by features, weights and padded photos that are not copied on the way.
The target for OBCN as shipped, both looks included, was 0.7 of torchvision's time.
"""

_TRAINING = """
## A training step

The same batches of {batch_size} photos, the same weights, frozen stages, optimiser and clipping; photos are read and
augmented beforehand. The target was 1.5 times torchvision's photos a second.
"""

_CURVE = """
## The same loss

What makes a step faster must not change what is learnt. Three runs of one start on the same batches, {steps} steps of
OBCN from the shipped `regression` with a fresh head: as `obcn train` does it; plain, with torchvision's RoIAlign and
its search for proposals and with BatchNorm apart; and plain with other samples of candidates and anchors, which is how
far two runs lie apart by chance.
"""

_PAGE = """
## A photo through the page

What a visitor of Compare waits for on the server, a photo of {width} x {height}: medians of {rounds}, the page's own
script with both shipped detectors. The target from an upload to both detectors' boxes was 0.25 s.
"""

_THROUGHPUT = """
## Photos of a data set

What `obcn eval` does with each of {photos} photos, read from the disk, in one process and in two that share the cores
and the photos (under `torchrun`), beside a plain torchvision loop. The target was 1.6 times the photos a second of the
first edition, which took as long as torchvision did.
"""

_ANALYSES = """
## Analyses of record files

Random record files of matched detections (K = 2, every column, twenty classes, parts of a million rows); each analysis
in a process of its own, PyTorch's 0.7 GB included. `ap_by_iou` is without bands: each of its 1,000 draws ranks all rows
anew. It matches class by class with `pycocotools`, photo by photo in Python, which is most of its time. `explore` is
the table that the page works on. The target was growth no faster than the rows (ranks and quantiles sort them), and ten
million of them in under 4 GB.
"""

_COCO_SIZED = """
## AP on a data set of COCO's size

Simulated: {photos:,} photos, {objects:,} objects of 80 classes, {detections:,} detections. `obcn eval` takes
{obcn:.0f} s to judge them and pycocotools with nothing around it {pycocotools:.0f} s, for the same AP to the last
digit, in {gigabytes:.1f} GB. pycocotools is the bottleneck; we offer nothing home-made instead of what the field
compares by.
"""


def page(results: Path) -> str:
    """The page's Markdown.

    Args:
        results: folder with ``inference.json``, ``training.json``, ``loss_curve.json``, ``throughput.json``,
            ``compare_latency.json``, ``records_growth.json`` and ``coco_sized.json``.
    """
    coco = read_result(results / "coco_sized.json")
    curve, visit = read_result(results / "loss_curve.json"), read_result(results / "compare_latency.json")
    throughput = read_result(results / "throughput.json")
    growth = read_result(results / "records_growth.json")
    inference, training = read_result(results / "inference.json"), read_result(results / "training.json")
    parts = [
        _OPENING,
        _INFERENCE,
        _table(inference["milliseconds"], "ms a photo", "of torchvision's time", lambda ours, plain: ours / plain),
        _verdict(inference["milliseconds"], 0.7, more_is_better=False),
        _source(inference),
        _TRAINING.format(batch_size=training["batch_size"]),
        _table(
            training["milliseconds"], "ms a step", "of torchvision's photos a second", lambda ours, plain: plain / ours
        ),
        _verdict(training["milliseconds"], 1.5, more_is_better=True),
        "Losses do not compare: torchvision's Smooth L1 bends at 1/9 and gives each class a box, ours bends at 1.\n",
        _source(training),
        _CURVE.format(steps=len(curve["losses"][PLAIN_RUN])),
        _losses(curve["losses"]),
        _source(curve),
        _PAGE.format(width=visit["photo"][0], height=visit["photo"][1], rounds=visit["rounds"]),
        _visit(visit["seconds"]),
        _source(visit),
        _THROUGHPUT.format(photos=throughput["photos"]),
        _throughput(throughput["runs"]),
        _source(throughput),
        _ANALYSES,
        _growth(growth["analyses"]),
        _source(growth),
        _COCO_SIZED.format(**coco, **coco["seconds"], gigabytes=coco["megabytes"] / 1000),
        _source(coco),
        "\nTraining and evaluation in several processes: [scaling](scaling.md).\n",
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _table(milliseconds: dict, unit: str, share: str, compare: Callable[[float, float], float]) -> str:
    plain = milliseconds[PLAIN]["median"]
    rows = [
        f"| {name} | {each['median']:.1f} ({each['low']:.1f} to {each['high']:.1f}) "
        f"| {compare(each['median'], plain):.2f} |"
        for name, each in milliseconds.items()
    ]
    return "\n".join([f"| | {unit} | {share} |", "|---|---:|---:|", *rows, ""])


def _losses(losses: dict[str, list[float]]) -> str:
    """Means of five parts of the runs, and how far runs lie apart in a step."""
    steps = len(losses[PLAIN_RUN])
    edges = [steps * part // 5 for part in range(6)]
    parts = list(pairwise(edges))
    lines = [
        "| steps | " + " | ".join(f"{first + 1} to {last}" for first, last in parts) + " |",
        "|---|" + "---:|" * len(parts),
        *(
            f"| {name} | " + " | ".join(f"{mean(values[first:last]):.3f}" for first, last in parts) + " |"
            for name, values in losses.items()
        ),
    ]
    plain = losses[PLAIN_RUN]
    apart = {
        name: mean(abs(one - other) for one, other in zip(losses[name], plain, strict=True))
        for name in (FAST_RUN, OTHER_RUN)
    }
    lines += [
        "",
        f"From the plain run's loss a step's lies {apart[FAST_RUN]:.3f} away on average, and "
        f"{apart[OTHER_RUN]:.3f} with other samples.",
    ]
    return "\n".join([*lines, ""])


def _visit(seconds: dict[str, float]) -> str:
    upload = seconds[UPLOAD]
    lines = ["| | seconds |", "|---|---:|", *(f"| {what} | {each:.2f} |" for what, each in seconds.items())]
    verdict = "met" if upload <= 0.25 else "missed"
    lines += ["", f"From an upload to the boxes it takes {upload:.3f} s: the target is {verdict}."]
    return "\n".join([*lines, ""])


def _throughput(runs: dict[str, list[dict]]) -> str:
    lines = [
        "| | photos a second, median (lowest to highest) | of torchvision's | of the time, for reading "
        "| MB a process, after half and at the end |",
        "|---|---:|---:|---:|---:|",
    ]
    medians = {name: median(run["photos_per_second"] for run in found) for name, found in runs.items()}
    for name, found in runs.items():
        speeds = [run["photos_per_second"] for run in found]
        parts = [part for run in found for part in run["processes"]]
        reading = sum(part["reading"] for part in parts) / sum(part["seconds"] for part in parts)
        half, end = (max(part["megabytes"][k] for part in parts) for k in (0, 1))
        lines.append(
            f"| {name} | {medians[name]:.1f} ({min(speeds):.1f} to {max(speeds):.1f}) | "
            f"{medians[name] / medians[PLAIN]:.2f} | {100 * reading:.0f}% | {half:,}, {end:,} |"
        )
    return "\n".join([*lines, ""])


def _growth(analyses: dict[str, dict[str, dict]]) -> str:
    lines = ["| | rows | processor seconds | GB at most |", "|---|---:|---:|---:|"]
    for name, by_rows in analyses.items():
        for rows, found in by_rows.items():
            lines.append(
                f"| {name} | {int(rows):,} | {found['processor_seconds']:.0f} | {found['megabytes'] / 1000:.1f} |"
            )
    over = [
        f"{name} at {int(rows):,} rows"
        for name, by_rows in analyses.items()
        for rows, found in by_rows.items()
        if found["megabytes"] > 4000
    ]
    lines += ["", f"Over 4 GB: {', '.join(over) or 'none'}."]
    return "\n".join([*lines, ""])


def _verdict(milliseconds: dict, target: float, more_is_better: bool) -> str:
    plain, ours = milliseconds[PLAIN]["median"], milliseconds["obcn"]["median"]
    share = plain / ours if more_is_better else ours / plain
    met = share >= target if more_is_better else share <= target
    return f"OBCN's share is {share:.3f}: the target of {target} is {'met' if met else 'missed'}.\n"


def _source(result: dict) -> str:
    return (
        f"By `{result['command']}` at {result['commit']}, {result['date'][:10]}; {result['machine']}, "
        f"{result['threads']} threads, PyTorch {result['torch']}.\n"
    )


def main() -> None:
    """Write the page."""
    write_whole(PAGE, page(RESULTS))


if __name__ == "__main__":
    typer.run(main)
