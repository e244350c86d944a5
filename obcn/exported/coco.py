"""COCO's names, and its ids: 80 of those from 0 to 90, for each of which DETR and torchvision have a score."""

from pathlib import Path

NAMES = tuple((Path(__file__).parent / "coco.txt").read_text(encoding="utf-8").splitlines())
_WITHOUT_NAME = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
# The id of each name, in order.
IDS = tuple(number for number in range(91) if number not in _WITHOUT_NAME)
NUM_IDS = 91


def are_ids(scores: int, named: int) -> bool:
    """Whether so many scores are those of COCO's ids, where so many classes are named, 0 for none."""
    return scores == NUM_IDS and named in (0, len(NAMES))
