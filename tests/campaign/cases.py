"""One attempt to break something, what is expected of it, and what came of it."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from obcn.errors import UserError

HANDLED, REFUSED = "handled", "refused"
EITHER = (HANDLED, REFUSED)
# Seconds; nothing small may take longer, on a busy machine either. A browser or a whole run may take the other.
SLOWEST, SLOWEST_WHOLE = 240, 1200
# What stands where a number or a word is expected.
ODD_VALUES = (
    *(None, True, "", "0", "nan", "x" * 5000, "\udcff", "\0", "<script>alert(1)</script>", "../../../etc/passwd"),
    *(0, -1, 0.5, 1e-300, 1e38, 1e308, 10**30, -(10**30), float("nan"), float("inf"), -float("inf")),
    *([], {}, [[]], [None], {"a": 1}),
)


@dataclass(frozen=True)
class Case:
    """What is tried.

    Attributes:
        name: what it is, in a few words.
        run: does it; ends well, or with a :class:`UserError`.
        expected: which of the two may be.
        seconds: that it may take.
    """

    name: str
    run: Callable[[], None]
    expected: tuple[str, ...] = EITHER
    seconds: float = SLOWEST


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        name: the case's.
        came: ``handled``, ``refused`` or ``failed``.
        words: of the refusal or the failure.
    """

    name: str
    came: str
    words: str = ""


# Makes cases without end, or until there are no more; may use the folder, which is empty.
Family = Callable[[random.Random, Path], Iterator[Case]]


def judge(case: Case) -> Outcome:
    """Try it. Any exception but a refusal of one line is a failure, and so is what takes too long."""
    start = time.monotonic()
    try:
        case.run()
        came, words = HANDLED, ""
    except UserError as error:
        came, words = REFUSED, str(error)
    except Exception as error:
        return Outcome(case.name, "failed", f"{type(error).__name__}: {str(error)[:300]}")
    if came not in case.expected:
        return Outcome(case.name, "failed", f"{came}, not {' or '.join(case.expected)} {words[:300]}")
    if came == REFUSED and (not words.strip() or "\n" in words):
        return Outcome(case.name, "failed", f"not one line: {words[:300]!r}")
    seconds = time.monotonic() - start
    if seconds > case.seconds:
        return Outcome(case.name, "failed", f"took {seconds:.0f} s")
    return Outcome(case.name, came, words)


def swap_one(rng: random.Random, content: object, value: object) -> tuple[str, object]:
    """A copy of nested lists and maps with one place, drawn at random, set to ``value``; and where that is."""
    if rng.random() < 0.15 or not isinstance(content, dict | list) or not content:
        return "", value
    key = rng.choice(list(content)) if isinstance(content, dict) else rng.randrange(len(content))
    where, changed = swap_one(rng, content[key], value)
    place = f".{key}{where}"
    if isinstance(content, dict):
        return place, {**content, key: changed}
    return place, [*content[:key], changed, *content[key + 1 :]]


def damage(rng: random.Random, content: bytes) -> bytes:
    """The same bytes cut short, with some of them changed, or with others among them."""
    if not content:
        return rng.randbytes(20)
    place = rng.randrange(len(content) + 1)
    match rng.randrange(3):
        case 0:
            return content[:place]
        case 1:
            damaged = bytearray(content)
            for _ in range(rng.choice((1, 3, 30))):
                # Most of what can go wrong stands at the start.
                damaged[min(int(rng.expovariate(1 / 60)), len(damaged) - 1)] = rng.randrange(256)
            return bytes(damaged)
        case _:
            return content[:place] + rng.randbytes(rng.choice((1, 4, 500))) + content[place:]
