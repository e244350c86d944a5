"""``python -m tests.campaign``: every family in a process of its own, and docs/reliability.md of what came of it."""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path

from obcn.checkpoints import current_commit
from tests.app.memory import FIGURES as MEMORY
from tests.campaign.cases import SLOWEST, SLOWEST_WHOLE, judge

ROOT = Path(__file__).parents[2]
# Most cases of each, and minutes of 25 that it may take; those that take longest begin.
FAMILIES = {
    # Of each a run that nobody kills, ten kills, and two ends.
    "kills_training": (13, 23),
    "kills_studies": (13, 23),
    "kills_records": (13, 23),
    "visitors": (1000, 18),
    "links": (300, 8),
    "hosted": (200, 8),
    "runs": (100, 8),
    "records": (300, 6),
    "models": (200, 5),
    "hosts": (500, 5),
    "data": (600, 4),
    "pictures": (1000, 4),
}
MINUTES = 25
# Families at once: most of them wait for a disk, a server or a moment.
AT_ONCE = 6
# Seconds that a family may go on after its time before it counts as hanging: its last case, on a busy machine.
GRACE = 240


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the families that were asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="for all families; each stops when its share is over"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "reliability.md")
    parser.add_argument("--family", choices=FAMILIES, help="this one alone, with its outcomes as lines of JSON")
    options = parser.parse_args(arguments)
    if options.family:
        _try(options.family, options.seed, options.minutes)
        return 0
    # A tenth is left for last cases.
    until = time.monotonic() + 54 * options.minutes

    def limited(family: str) -> tuple[str, list[str]]:
        share = 60 * options.minutes * FAMILIES[family][1] / MINUTES
        return _in_a_process(family, options.seed, max(1.0, min(share, until - time.monotonic())))

    rows, failures = [], []
    with ThreadPoolExecutor(AT_ONCE) as lanes:
        for row, failed in lanes.map(limited, FAMILIES):
            rows.append(row)
            failures += failed
            print(row, flush=True)
    options.output.write_text(_page(rows, failures, options), encoding="utf-8", errors="replace")
    return 1 if failures else 0


def _try(family: str, seed: int, minutes: float) -> None:
    """Judge a family's cases one by one; an outcome a line, so that those before a crash are not lost."""
    most, _ = FAMILIES[family]
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix=f"obcn-campaign-{family}-") as folder:
        cases = import_module(f"tests.campaign.{family}").cases(random.Random(f"{seed} {family}"), Path(folder))
        for case in islice(cases, most):
            print(json.dumps(asdict(judge(case))), flush=True)
            if time.monotonic() > until:
                break
        cases.close()
        os.chdir(ROOT)
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}), flush=True)


def _in_a_process(family: str, seed: int, seconds: float) -> tuple[str, list[str]]:
    """A row of the page, and its failures."""
    start = time.monotonic()
    asked = ("--family", family, "--seed", str(seed), "--minutes", str(seconds / 60))
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign", *asked],
            cwd=ROOT,
            stdout=told,
            stderr=errors,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds + GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for file in (told, errors):
            file.seek(0)
        last_words = (errors.read().strip().splitlines() or [""])[-1]
        lines = [json.loads(line) for line in told if line.startswith("{") and line.endswith("\n")]
    outcomes = [line for line in lines if "came" in line]
    counts = Counter(outcome["came"] for outcome in outcomes)
    failed = [f"{family}, {each['name']}: {each['words']}" for each in outcomes if each["came"] == "failed"]
    if process.returncode:
        counts["failed"] += 1
        before = outcomes[-1]["name"] if outcomes else "the first case"
        failed.append(f"{family}: the process ended with {process.returncode} after {before}: {last_words[:300]}")
    peak = next((f"{line['peak']:,.0f}" for line in lines if "peak" in line), "")
    figures = (counts.total(), counts["handled"], counts["refused"], counts["failed"])
    cells = (family, *figures, f"{time.monotonic() - start:.0f}", peak)
    return f"| {' | '.join(map(str, cells))} |", failed


def _page(rows: Sequence[str], failures: Sequence[str], options: argparse.Namespace) -> str:
    about = [
        f"| {family} | {' '.join((import_module(f'tests.campaign.{family}').__doc__ or '').split())} |"
        for family in FAMILIES
    ]
    failed = [f"- `{' '.join(each.split())}`" for each in failures] or ["Nothing failed."]
    served = _memory(json.loads(MEMORY.read_text(encoding="utf-8"))) if MEMORY.is_file() else []
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return "\n".join(
        [
            "# What was tried to break it",
            "",
            f"Written by `python -m tests.campaign --seed {options.seed} --minutes {options.minutes:g}` at commit "
            f"{current_commit()}, {date}, on {os.cpu_count()} processor cores.",
            "",
            "*Handled* is done as asked, *refused* ends in one line that says what is wrong. Anything else has failed:"
            " another exception, more lines than one, a process that dies, an answer that was not expected, or more"
            f" than {SLOWEST / 60:.0f} minutes for one case ({SLOWEST_WHOLE / 60:.0f} for a run or a browser). A family"
            " stops at its number of cases or when its share of the time is over. Some of each run in the ordinary"
            " tests.",
            "",
            "| family | tried | handled | refused | failed | seconds | peak memory, MB |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "## Failed",
            "",
            *failed,
            "",
            "## The families",
            "",
            "| family | what it tries |",
            "|---|---|",
            *about,
            "",
            *served,
        ]
    )


def _memory(kept: dict) -> list[str]:
    """What `tests.app.memory` measured."""
    largest = "{peak} MB more at the peak, {afterwards} MB afterwards, {later} MB after five small ones".format(
        **kept["largest"]
    )
    return [
        "## Memory of the server",
        "",
        f"Written by `{kept['command']}` at commit {kept['commit']}, {kept['date'][:10]}: photos that one visitor after"
        " the other uploads, each looked at by two models.",
        "",
        "| uploads | memory, MB |",
        "|---:|---:|",
        *(f"| {number} | {megabytes:,} |" for number, megabytes in kept["uploads"]),
        "",
        f"The largest JPEG that is accepted: {largest}.",
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
