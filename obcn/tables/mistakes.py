"""What a head got wrong, a row per mistake, by the kinds of TIDE (Bolya et al., ECCV 2020), and what each kind costs.

A false alarm is a detection that matches no true object at IoU 0.5; t_f and t_b are the paper's thresholds.
"""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from obcn.data.annotations import Annotations
from obcn.engine.evaluate import judged
from obcn.records.coco import best_detections, coco_of_records
from obcn.records.files import read_records
from obcn.records.rows import MATCH_IOU, paired_iou
from obcn.records.schema import CORNERS, each
from obcn.tables.frames import rows_of
from obcn.tables.precision import BACKGROUND_IOU

Kind = Literal["classification", "localisation", "both", "duplicate", "background", "missed"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_BOX, _TRUTH = each("box", CORNERS), each("truth", CORNERS)
_PHOTO = ["image_id", "file_name", "image_width", "image_height"]
_OBJECT = ["truth_id", *_TRUTH, "truth_area", "truth_category_id", "truth_category"]


def mistakes_of(path: str | Path) -> pd.DataFrame:
    """One row per false alarm, and one per missed object, in the order of the file.

    - ``localisation``: t_b <= IoU < t_f with an object of its class;
    - ``classification``: IoU >= t_f with an object of another class;
    - ``duplicate``: IoU >= t_f with an object of its class, which a better detection has;
    - ``background``: IoU < t_b with every object;
    - ``both``: any other, near an object of another class;
    - ``missed``: an object that no detection matches, and that no mistake of class or place is about.

    Where several hold, the first does, as in TIDE. Difficult objects and crowds are no objects here.

    Args:
        path: record file.

    Returns:
        ``row`` (in the file), the photo's columns, ``category`` and ``category_id`` as the detection says, ``kind``,
        ``score`` and ``box_x1`` ... (NaN for a missed object), and of the object that it is about ``truth_id``,
        ``truth_category``, ``truth_x1`` ..., ``truth_area`` and ``iou`` (null or NaN for background).

    Raises:
        UserError: not a record file.
    """
    columns = [*_PHOTO, "category_id", "category", "outcome", "score", *_BOX, "truth_id", *_TRUTH, "truth_area"]
    table = read_records(path, columns).to_pandas()
    table["row"] = np.arange(len(table))
    of_truth = {"category_id": "truth_category_id", "category": "truth_category"}
    objects = table[table.outcome.isin(("matched", "missed"))].rename(columns=of_truth)
    alarms = table[table.outcome == "unmatched"].drop(columns=["outcome", "truth_id", *_TRUTH, "truth_area"])
    alarms = _with_objects(alarms, objects.drop_duplicates("truth_id")[["image_id", *_OBJECT]])
    covered = alarms[alarms.kind.isin(("classification", "localisation"))].truth_id
    missed = objects[(objects.outcome == "missed") & ~objects.truth_id.isin(covered)]
    missed = missed.assign(
        kind="missed", category=missed.truth_category, category_id=missed.truth_category_id, iou=np.nan
    )
    found = pd.concat([alarms, missed.drop(columns="outcome")], ignore_index=True)
    found["kind"] = pd.Categorical(found.kind, categories=KINDS)
    return found.sort_values("row", ignore_index=True)


def _with_objects(alarms: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """False alarms with their kind, and with the object that makes them of this kind."""
    pairs = alarms[["row", "image_id", "category_id", *_BOX]].merge(objects, on="image_id")
    pairs["iou"] = paired_iou(pairs[_BOX].to_numpy(np.float64), pairs[_TRUTH].to_numpy(np.float64))
    pairs["same"] = pairs.category_id == pairs.truth_category_id
    nearest = pairs.sort_values("iou", ascending=False, kind="stable").drop_duplicates(["row", "same"])
    best = {same: nearest[nearest.same == same].set_index("row") for same in (True, False)}
    of_class, of_others = (best[same].iou.reindex(alarms.row).fillna(0.0).to_numpy() for same in (True, False))
    kinds = np.select(
        [
            (of_class >= BACKGROUND_IOU) & (of_class < MATCH_IOU),
            of_others >= MATCH_IOU,
            of_class >= MATCH_IOU,
            np.maximum(of_class, of_others) < BACKGROUND_IOU,
        ],
        ["localisation", "classification", "duplicate", "background"],
        "both",
    )
    parts = []
    for same, of_kind in ((True, ("localisation", "duplicate")), (False, ("classification", "both"))):
        chosen = alarms[np.isin(kinds, of_kind)]
        about = best[same].loc[chosen.row, [*_OBJECT, "iou"]].reset_index(drop=True)
        parts.append(pd.concat([chosen.reset_index(drop=True), about], axis=1))
    return pd.concat([*parts, alarms[kinds == "background"]], ignore_index=True).assign(
        kind=lambda table: pd.Series(kinds, index=alarms.row).loc[table.row].to_numpy()
    )


def costs_of_mistakes(path: str | Path, mistakes: pd.DataFrame) -> pd.DataFrame:
    """What AP50 would be, had all mistakes of one kind been put right and nothing else; by pycocotools.

    A box of the wrong class gets its object's class, a badly placed one its object's box; of several on one object the
    best stays, and none where the object is found already. Boxes of the kinds ``both``, ``duplicate`` and
    ``background`` go, and so do missed objects. Gains do not add up: one box may stand in the way of many.

    Args:
        path: record file.
        mistakes: its :func:`mistakes_of`.

    Returns:
        A row per kind: ``kind``, ``count``, ``ap50`` (percent, had it been put right), ``gain`` (points of AP50).
    """
    truth, rows = coco_of_records(path)
    table = read_records(path, ["image_id", "category_id", "score", "outcome", "truth_id"]).to_pandas()
    # Rows of the file to their places among the detections that count.
    place = {row: number for number, row in enumerate(best_detections(table).index)}
    found = set(table.truth_id[table.outcome == "matched"].astype(np.int64))
    before = _ap50(truth, rows)
    costs = []
    for kind in KINDS:
        of_kind = mistakes[mistakes.kind == kind]
        fixed = _without(truth, of_kind) if kind == "missed" else truth
        after = _ap50(fixed, _put_right(kind, of_kind, rows, place, found)) if len(of_kind) else before
        costs.append({"kind": kind, "count": len(of_kind), "ap50": after, "gain": after - before})
    return pd.DataFrame(costs)


def _put_right(
    kind: Kind, of_kind: pd.DataFrame, rows: list[dict], place: dict[int, int], found: set[int]
) -> list[dict]:
    if kind == "missed":
        return rows
    of_kind = of_kind[of_kind.row.isin(place)]
    changed: dict[int, dict | None] = dict.fromkeys(of_kind.row.map(place))
    if kind in ("classification", "localisation"):
        best = of_kind[~of_kind.truth_id.isin(found)].sort_values("score", ascending=False, kind="stable")
        for mistake in rows_of(best.drop_duplicates("truth_id")):
            at = place[mistake["row"]]
            x1, y1, x2, y2 = (mistake[name] for name in _TRUTH)
            box, category = [x1, y1, x2 - x1, y2 - y1], int(mistake["truth_category_id"])
            changed[at] = rows[at] | ({"bbox": box} if kind == "localisation" else {"category_id": category})
    kept = (changed.get(number, row) for number, row in enumerate(rows))
    return [row for row in kept if row is not None]


def _without(truth: Annotations, missed: pd.DataFrame) -> Annotations:
    gone = set(missed.truth_id.astype(np.int64))
    boxes = [box for box in truth.coco["annotations"] if box["id"] not in gone]
    return Annotations(truth.folder, {**truth.coco, "annotations": boxes})


def _ap50(truth: Annotations, rows: list[dict]) -> float:
    judge = judged(truth, rows, iou=MATCH_IOU, by_area=False)
    precision = judge.accumulated()[0, :, :, 0, -1]
    counted = precision[precision > -1]
    return 100 * float(counted.mean()) if counted.size else float("nan")
