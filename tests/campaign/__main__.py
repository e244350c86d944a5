"""``python -m tests.campaign``: every family in a process of its own, and docs/reliability.md of what came of it."""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path

from obcn.checkpoints import current_commit
from tests.campaign.cases import judge

ROOT = Path(__file__).parents[2]
# Most cases of each, and its share of the time.
FAMILIES = {
    "pictures": (1000, 0.03),
    "data": (600, 0.05),
    "models": (200, 0.06),
    "records": (300, 0.12),
    "links": (300, 0.20),
    "kills": (33, 0.34),
    "visitors": (1000, 0.20),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the families that were asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=25, help="for all families; each stops when its share is over")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "reliability.md")
    parser.add_argument("--family", choices=FAMILIES, help="this one alone, with its outcomes as lines of JSON")
    options = parser.parse_args(arguments)
    if options.family:
        _try(options.family, options.seed, options.minutes)
        return 0
    rows, failures = [], []
    for family, (_, share) in FAMILIES.items():
        row, failed = _in_a_process(family, options.seed, share * options.minutes)
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


def _in_a_process(family: str, seed: int, minutes: float) -> tuple[str, list[str]]:
    """A row of the page, and its failures."""
    start = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "tests.campaign",
        "--family",
        family,
        "--seed",
        str(seed),
        "--minutes",
        str(minutes),
    ]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        errors.seek(0)
        last_words = (errors.read().strip().splitlines() or [""])[-1]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    outcomes = [line for line in lines if "came" in line]
    counts = Counter(outcome["came"] for outcome in outcomes)
    failed = [f"{family}, {each['name']}: {each['words']}" for each in outcomes if each["came"] == "failed"]
    if done.returncode:
        counts["failed"] += 1
        before = outcomes[-1]["name"] if outcomes else "the first case"
        failed.append(f"{family}: the process ended with {done.returncode} after {before}: {last_words[:300]}")
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
            " than a minute and a half for one case. A family stops at its number of cases or when its share of the"
            " time is over. One of each runs in the ordinary tests.",
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
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
