"""AP at each IoU threshold from record files, its spread over photos, and what perfect localisation would give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.cocoeval import COCOeval

from obcn.engine.evaluate import judged
from obcn.records.coco import coco_of_classes
from obcn.records.files import read_info, read_records

# Bytes that matching takes at most for each detection, by pycocotools' lists and maps; an estimate from above.
BYTES_PER_ROW = 2_000
# TIDE's background threshold: below it a detection is off every object, not badly placed on one.
BACKGROUND_IOU = 0.1
RECALLS = np.linspace(0, 1, 101)
# COCO's thresholds of a match.
IOUS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class ClassResults:
    """One class's D detections, best first over all photos, at T IoU thresholds.

    Attributes:
        photo: (D,) index of each detection's photo.
        matched: (T, D) whether it matches a true object.
        ignored: (T, D) whether it counts neither as right nor as wrong.
        matched_if_localised: (T, D) ``matched``, had every badly placed detection the box of its object.
        ignored_if_localised: (T, D) ``ignored`` likewise: of several claims to one object the best stays.
        objects: (P,) true objects that count, per photo.
    """

    photo: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    matched_if_localised: np.ndarray
    ignored_if_localised: np.ndarray
    objects: np.ndarray


@dataclass(frozen=True)
class ModelResults:
    """One model's results on P photos that have a detection or an object.

    Attributes:
        photo_ids: (P,) their ids, rising.
        num_photos: photos looked at, the empty ones included.
        ious: (T,) IoU thresholds, 0.50 to 0.95.
        classes: results of every class.
    """

    photo_ids: np.ndarray
    num_photos: int
    ious: np.ndarray
    classes: tuple[ClassResults, ...]

    def ap(self, counts: np.ndarray | None = None, localised: bool = False) -> np.ndarray:
        """(T,) COCO's AP in percent, mean over classes; NaN without an object.

        Args:
            counts: (P,) how often each photo stands in the data set; by default once.
            localised: had every badly placed detection the box of its object, as TIDE has it.
        """
        if counts is None:
            counts = np.ones(len(self.photo_ids))
        found = [_class_ap(results, counts, localised) for results in self.classes if counts @ results.objects > 0]
        return 100 * np.mean(found, axis=0) if found else np.full(len(self.ious), np.nan)


def load_results(path: Path) -> ModelResults:
    """Match a record file's detections at every IoU threshold, by pycocotools.

    Raises:
        UserError: not a record file.
    """
    photo_ids = np.unique(read_records(path, ["image_id"]).column("image_id").to_numpy())
    classes = tuple(
        _class_results((judged(truth, rows, by_area=False) for truth, rows in pieces), photo_ids)
        for pieces in coco_of_classes(path)
    )
    return ModelResults(photo_ids, read_info(path).photos, IOUS, classes)


def same_data(models: Sequence[ModelResults]) -> bool:
    """Whether models were run on the same photos with the same objects, so that they can be compared in pairs."""

    def objects(model: ModelResults) -> dict[int, tuple[int, ...]]:
        counts = np.stack([results.objects for results in model.classes], axis=1)
        return {
            photo: tuple(row) for photo, row in zip(model.photo_ids.tolist(), counts.tolist(), strict=True) if any(row)
        }

    first, *others = models
    return all(other.num_photos == first.num_photos and objects(other) == objects(first) for other in others)


def bootstrap_ap(models: Sequence[ModelResults], samples: int, seed: int = 0) -> list[np.ndarray]:
    """AP on data sets drawn anew from the photos, with replacement.

    Photos are drawn and not detections, because those of one photo stand or fall together. All models see the same
    draws, so that differences between models on the same data can be taken draw by draw. On few photos the draws'
    AP lies somewhat above the data's, since a draw repeats photos and leaves hard ones out; differences hardly move.

    Args:
        models: M models.
        samples: B, how many data sets to draw.
        seed: of the draws.

    Returns:
        M arrays (B, T), percent.
    """
    # Every photo keeps its place among the draws, whichever models have rows of it.
    ids = np.unique(np.concatenate([model.photo_ids for model in models]))
    num_photos = max(len(ids), *(model.num_photos for model in models))
    places = [np.searchsorted(ids, model.photo_ids) for model in models]
    rng = np.random.default_rng(seed)
    drawn: list[list[np.ndarray]] = [[] for _ in models]
    for _ in range(samples):
        counts = np.bincount(rng.integers(num_photos, size=num_photos), minlength=num_photos)
        for number, model in enumerate(models):
            drawn[number].append(model.ap(counts[places[number]]))
    return [np.stack(values) for values in drawn]


def _class_results(judges: Iterable[COCOeval], photo_ids: np.ndarray) -> ClassResults:
    objects = np.zeros(len(photo_ids), dtype=np.int32)
    parts: list[tuple[np.ndarray, ...]] = []
    for judge in judges:
        of_photos: list[tuple[np.ndarray, ...]] = []
        for entry in filter(None, judge.evalImgs):
            place = int(np.searchsorted(photo_ids, entry["image_id"]))
            objects[place] = int((entry["gtIgnore"] == 0).sum())
            matched = entry["dtMatches"] > 0
            ignored = entry["dtIgnore"].astype(bool)
            right, aside = _localise(judge, entry, matched, ignored)
            scores = np.array(entry["dtScores"])
            of_photos.append((scores, np.full(len(scores), place, np.int32), matched, ignored, right, aside))
        if of_photos:
            parts.append(_joined(of_photos))
    if not parts:
        none = np.zeros((len(IOUS), 0), dtype=bool)
        return ClassResults(np.zeros(0, dtype=int), none, none, none, none, objects)
    joined = _joined(parts)
    order = np.argsort(-joined[0], kind="mergesort")
    places, matched, ignored, right, aside = (values[..., order] for values in joined[1:])
    return ClassResults(places, matched, ignored, right, aside, objects)


def _joined(parts: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(values, axis=-1) for values in zip(*parts, strict=True))


def _localise(judge: COCOeval, entry: dict, matched: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``matched`` and ``ignored`` (T, D) of one photo and class, had badly placed detections their object's box.

    A detection is badly placed if it matches nothing, and its IoU with its most overlapping object of the class lies
    between TIDE's background threshold and the threshold of a match (Bolya et al., "TIDE", ECCV 2020, 2.2). The best
    scored one takes an object that is still free; the others would be duplicates then, and are set aside.
    """
    # pycocotools keeps IoUs in the order of the annotations, matches with the ignored objects last.
    objects = judge._gts[entry["image_id"], entry["category_id"]]
    ious = judge.ious[entry["image_id"], entry["category_id"]]
    order = np.argsort([box["ignore"] for box in objects], kind="mergesort")
    counted = np.flatnonzero(entry["gtIgnore"] == 0)
    if not len(ious) or not len(counted):
        return matched, ignored
    ious = ious[:, order][:, counted]
    nearest, overlap = ious.argmax(axis=1), ious.max(axis=1)
    bad = (overlap >= BACKGROUND_IOU) & (overlap < judge.params.iouThrs[:, None]) & ~matched & ~ignored
    if not bad.any():
        return matched, ignored
    matched, ignored = matched.copy(), ignored.copy()
    free = entry["gtMatches"][:, counted] == 0
    # Detections stand best first; each is looked at for all thresholds at once.
    for detection in np.flatnonzero(bad.any(axis=0)):
        its_object = free[:, nearest[detection]]
        right = bad[:, detection] & its_object
        matched[:, detection] |= right
        ignored[:, detection] |= bad[:, detection] & ~right
        its_object &= ~right
    return matched, ignored


def _class_ap(results: ClassResults, counts: np.ndarray, localised: bool) -> np.ndarray:
    """(T,) AP in [0, 1], as pycocotools accumulates it, of a data set that holds each photo ``counts`` times.

    A photo that stands there twice has its detections twice in a row in the ranking; taking both steps at once
    changes nothing, since precision is read off its running maximum from the right.
    """
    matched = results.matched_if_localised if localised else results.matched
    ignored = results.ignored_if_localised if localised else results.ignored
    weight = np.where(ignored, 0, counts[results.photo])
    right = np.cumsum(weight * matched, axis=1)
    wrong = np.cumsum(weight * ~matched, axis=1)
    recall = right / (counts @ results.objects)
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Past the last recall reached, precision is 0.
    padded = np.concatenate((precision, np.zeros((len(precision), 1))), axis=1)
    at = [padded[level, np.searchsorted(recall[level], RECALLS, side="left")] for level in range(len(padded))]
    return np.mean(at, axis=1)
