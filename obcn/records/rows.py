"""The rows of one photo for a record file, as one array per column (see :mod:`obcn.records.schema`)."""

from collections.abc import Sequence

import numpy as np
import torch
from pycocotools import mask
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from obcn.data.annotations import is_ignored
from obcn.offsets import BoxCode, OffsetCode, OffsetCodec, StageExplanation
from obcn.offsets.box_code import slope
from obcn.records.detections import coco_rows
from obcn.records.files import Columns
from obcn.records.schema import COORDINATES, CORNERS, each

MATCH_IOU = 0.5


def photo_columns(
    image: dict, found: dict[str, Tensor], truths: list[dict], codec: OffsetCodec, categories: dict[int, str]
) -> Columns:
    """The rows of one photo: its detections, best first, then the true objects that none matched.

    Args:
        image: COCO image record.
        found: the detections, as :func:`obcn.models.roi_heads.select_detections` describes, in the photo's pixels.
        truths: COCO annotation records of the photo.
        codec: how the offset outputs are read.
        categories: id and name of each class, in the order of the detector's labels.

    Returns:
        A (rows,) array per column, NaN or None where a row has no value; columns of all rows alike but the model.
    """
    ids = list(categories)
    matches = match_truths(coco_rows(image["id"], found, ids), truths)
    missed = [truth for number, truth in enumerate(truths) if number not in set(matches.tolist())]
    columns = _detections(image, found, truths, matches, codec, ids)
    for name, values in _misses(missed).items():
        columns[name] = np.concatenate((columns[name], values))
    rows = len(columns["category_id"])
    names = [categories[number] for number in columns["category_id"].tolist()]
    same = {
        "image_id": image["id"],
        "file_name": image["file_name"],
        "image_width": int(image["width"]),
        "image_height": int(image["height"]),
    }
    columns |= {name: np.full(rows, value) for name, value in same.items()}
    columns["category"] = np.array(names, dtype=object)
    short = {name: rows - len(values) for name, values in columns.items() if len(values) < rows}
    for name, count in short.items():
        columns[name] = np.concatenate((columns[name], np.full(count, np.nan)))
    return columns


def match_truths(rows: list[dict], truths: list[dict], min_iou: float = MATCH_IOU) -> np.ndarray:
    """Which true object each detection of a photo is, as COCO's evaluation decides at one IoU threshold.

    Class by class and best score first, a detection takes the most overlapping object that is still free. Crowds
    and difficult objects come last, and a crowd is never used up.

    Args:
        rows: the D detections as COCO result rows.
        truths: COCO annotation records.
        min_iou: least IoU of a match.

    Returns:
        (D,) index into ``truths``, -1 where none matches.
    """
    matches = np.full(len(rows), -1)
    for category in {row["category_id"] for row in rows}:
        of_class = [n for n, row in enumerate(rows) if row["category_id"] == category]
        of_class.sort(key=lambda n: -rows[n]["score"])
        objects = [n for n, truth in enumerate(truths) if truth["category_id"] == category]
        objects.sort(key=lambda n: is_ignored(truths[n]))
        if not objects:
            continue
        crowd = [int(bool(truths[n].get("iscrowd"))) for n in objects]
        overlap = mask.iou([rows[n]["bbox"] for n in of_class], [truths[n]["bbox"] for n in objects], crowd)
        taken: set[int] = set()
        for row, ious in zip(of_class, overlap, strict=True):
            free = [n for n in range(len(objects)) if n not in taken and ious[n] >= min(min_iou, 1 - 1e-10)]
            counted = [n for n in free if not is_ignored(truths[objects[n]])]
            if not free:
                continue
            # Of equals the last, as pycocotools does.
            best = max(reversed(counted or free), key=lambda n: ious[n])
            matches[row] = objects[best]
            if not crowd[best]:
                taken.add(best)
    return matches


def _detections(
    image: dict, found: dict[str, Tensor], truths: list[dict], matches: np.ndarray, codec: OffsetCodec, ids: list[int]
) -> Columns:
    """Columns of a photo's D detections."""
    candidates, outputs = found["candidates"].double(), found["offset_outputs"].double()
    truth_boxes = _corners([truths[n] if n >= 0 else None for n in matches])
    explanation = codec.explain(outputs)
    offsets = codec.decode(outputs)
    boxes = {"box": found["boxes"].double(), "candidate": candidates}
    if explanation.stages:
        boxes["argmax"] = codec.box.decode(codec.decoding("argmax").decode(outputs), candidates)
        boxes["expectation"] = codec.box.decode(codec.decoding("expectation").decode(outputs), candidates)
        for k, partial in enumerate(explanation.partial, start=1):
            boxes[f"stage{k}"] = codec.box.decode(partial, candidates)

    counted = np.array([n >= 0 and not is_ignored(truths[n]) for n in matches], dtype=bool)
    true_offsets = torch.full_like(offsets, torch.nan)
    true_boxes = torch.from_numpy(truth_boxes)
    true_offsets[counted] = codec.box.encode(true_boxes[counted], candidates[counted])
    numbers = tuple(one.key for one in codec.box.coordinates)
    predicted = codec.box.decode(offsets, candidates)
    # By the measures of any box, and by those that the head's own numbers move: often the same.
    error_px = {
        part: code.measure(predicted) - code.measure(true_boxes).where(torch.from_numpy(counted)[:, None], torch.nan)
        for part, code in ((COORDINATES, OffsetCode()), (numbers, codec.box))
    }

    columns: Columns = {
        "category_id": np.array([ids[label - 1] for label in found["labels"].tolist()], dtype=np.int64),
        "score": found["scores"].numpy(),
        "outcome": np.where(counted, "matched", np.where(matches >= 0, "ignored", "unmatched")).astype(object),
        **_truth_columns([truths[n] if n >= 0 else None for n in matches]),
        **_split("offset", offsets, numbers),
        **_split("offset_true", true_offsets, numbers),
        **_split("error", offsets - true_offsets, numbers),
    }
    for part, error in error_px.items():
        columns |= _split("error_px", error, part)
    for name, box in boxes.items():
        clipped = clip_boxes_to_image(box, (int(image["height"]), int(image["width"])))
        columns |= _split(name, clipped, CORNERS)
        columns["iou" if name == "box" else f"iou_{name}"] = paired_iou(clipped.numpy(), truth_boxes)
    for k, stage in enumerate(explanation.stages, start=1):
        added = explanation.partial[k - 1] - stage.origin
        columns |= _stage_columns(f"stage{k}", codec.box, stage, added, true_offsets - stage.origin, candidates)
    return columns


def _misses(missed: list[dict]) -> Columns:
    """Columns of true objects that no detection matched; difficult ones and crowds are no misses, but count for AP."""
    outcome = ["ignored" if is_ignored(truth) else "missed" for truth in missed]
    return {
        "category_id": np.array([truth["category_id"] for truth in missed], dtype=np.int64),
        "outcome": np.array(outcome, dtype=object),
        **_truth_columns(missed),
    }


def _truth_columns(truths: Sequence[dict | None]) -> Columns:
    def of(key: str) -> list:
        return [None if truth is None else truth.get(key) for truth in truths]

    def flag(key: str) -> list:
        return [None if truth is None else bool(truth.get(key)) for truth in truths]

    return {
        "truth_id": np.array(of("id"), dtype=object),
        **_split("truth", torch.from_numpy(_corners(truths)), CORNERS),
        "truth_area": np.array(of("area"), dtype=object),
        "truth_crowd": np.array(flag("iscrowd"), dtype=object),
        "truth_difficult": np.array(flag("difficult"), dtype=object),
    }


def _stage_columns(
    at: str, code: BoxCode, stage: StageExplanation, added: Tensor, due: Tensor, candidates: Tensor
) -> Columns:
    """Columns of one stage.

    Args:
        at: prefix.
        code: what the head's numbers mean.
        stage: what it believes.
        added: (D, 4) normalised offsets that it adds.
        due: (D, 4) normalised offsets that it should add; NaN where no truth is known.
        candidates: (D, 4) candidate boxes in pixels.
    """
    p = stage.probabilities
    known = due.isfinite()
    inner = stage.edges[1:-1].contiguous()
    true_bin = torch.bucketize(due.nan_to_num().contiguous(), inner, right=True)
    # -a itself belongs to the left tail, as UniformBins.encode has it.
    true_bin = torch.where(due <= inner[0], 0, true_bin)
    p_true = p.gather(-1, true_bin[..., None])[..., 0]
    p_top, top_bin = p.max(-1)
    spread_px = stage.spread * slope(code, stage.origin + stage.expectation, candidates)
    measures = {
        "offset": added,
        "offset_true": due,
        "true_bin": true_bin.double().where(known, torch.nan),
        "top_bin": top_bin,
        "p_true": p_true.where(known, torch.nan),
        "p_top": p_top,
        "entropy": -torch.xlogy(p, p).sum(-1),
        "spread": stage.spread,
        "spread_px": spread_px,
    }
    numbers = tuple(one.key for one in code.coordinates)
    columns: Columns = {}
    for name, values in measures.items():
        columns |= _split(f"{at}_{name}", values, numbers)
    return columns


def _split(prefix: str, values: Tensor, parts: tuple[str, ...]) -> Columns:
    return dict(zip(each(prefix, parts), values.numpy().T, strict=True))


def _corners(truths: Sequence[dict | None]) -> np.ndarray:
    """(N, 4) float64 corners of COCO records, NaN where there is none."""
    boxes = np.array([[np.nan] * 4 if truth is None else truth["bbox"] for truth in truths], dtype=np.float64)
    boxes = boxes.reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def paired_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) IoU of each box with the one in the same row; NaN where that is NaN."""
    shared = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    shared = shared.clip(min=0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / np.maximum(areas - shared, 1e-12)
