"""AP of detections on a data set, by pycocotools."""

import contextlib
import io
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from obcn.data.annotations import Annotations, is_ignored
from obcn.engine.distributed import ALONE, Ranks
from obcn.models.scoring import PhotoScorer
from obcn.records.detections import Photo, category_ids, coco_rows, detect

_REDIRECTING = threading.Lock()

IOU_FIGURES = {"AP50": 0.50, "AP60": 0.60, "AP70": 0.70, "AP75": 0.75, "AP80": 0.80, "AP90": 0.90}
AREA_FIGURES = {"APs": "small", "APm": "medium", "APl": "large"}


def evaluate(
    detector: PhotoScorer, annotations: Annotations, on_photo: Callable[[], None] = lambda: None, ranks: Ranks = ALONE
) -> dict[str, float]:
    """AP figures in percent of a detector on a data set, the same in each process.

    Args:
        detector: what to judge.
        annotations: the truth.
        on_photo: called after each photo of this process.
        ranks: processes among which the photos are divided.

    Raises:
        UserError: classes differ, or a photo cannot be read.
    """
    photos = detect(detector, annotations.part(ranks.rank, ranks.count))
    return average_precision(annotations, result_rows(detector, annotations, photos, on_photo, ranks))


def result_rows(
    detector: PhotoScorer,
    annotations: Annotations,
    photos: Iterable[Photo],
    on_photo: Callable[[], None] = lambda: None,
    ranks: Ranks = ALONE,
) -> list[dict]:
    """COCO result rows of all photos, in the order of ``annotations``, the same in each process.

    Args:
        detector: what found them.
        annotations: the truth of all processes.
        photos: detections of this process's :meth:`~obcn.data.Annotations.part`.
        on_photo: called after each of them.
        ranks: processes among which the photos are divided.

    Raises:
        UserError: classes differ, or a photo cannot be read.
    """
    ids = category_ids(detector, annotations)
    found_here = []
    for record, found in photos:
        found_here.append(coco_rows(record["id"], found, ids))
        on_photo()
    every = ranks.gathered(found_here)
    # In the order of one process: of two detections with one score the first counts first.
    return [row for number in range(len(annotations)) for row in every[number % ranks.count][number // ranks.count]]


def average_precision(annotations: Annotations, rows: list[dict]) -> dict[str, float]:
    """COCO's AP figures in percent.

    Args:
        annotations: the truth.
        rows: COCO result rows.

    Returns:
        AP, AP50 to AP90, APs, APm, APl, and ``AP:NAME`` for each class; NaN where no object is counted.
    """
    judge = judged(annotations, rows)
    precision = judge.accumulated()[..., -1]
    every_area = precision[..., judge.params.areaRngLbl.index("all")]
    figures = {"AP": _mean(every_area)}
    for name, iou in IOU_FIGURES.items():
        figures[name] = _mean(every_area[np.isclose(judge.params.iouThrs, iou)])
    for name, area in AREA_FIGURES.items():
        figures[name] = _mean(precision[..., judge.params.areaRngLbl.index(area)])
    names = {category["id"]: category["name"] for category in annotations.categories}
    for number, category_id in enumerate(judge.params.catIds):
        figures[f"AP:{names[category_id]}"] = _mean(every_area[:, :, number])
    return figures


def judged(annotations: Annotations, rows: list[dict], iou: float | None = None, by_area: bool = True) -> "_Judge":
    """COCO's evaluation of the rows, matched photo by photo (``evalImgs``) but not yet accumulated.

    Args:
        annotations: the truth.
        rows: COCO result rows.
        iou: judge at this threshold alone; by default at all of COCO's.
        by_area: judge small, medium and large objects too, beside those of every size.
    """
    found = ({**row, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0} for row in rows)
    with _quiet():
        truth = _index(annotations.coco, annotations.coco["annotations"])
        judge = _Judge(truth, _index(annotations.coco, found), "bbox")
        if iou is not None:
            judge.params.iouThrs = np.array([iou])
        if not by_area:
            judge.params.areaRng, judge.params.areaRngLbl = judge.params.areaRng[:1], judge.params.areaRngLbl[:1]
        judge.evaluate()
    return judge


class _Judge(COCOeval):
    """COCO's evaluation that also passes over VOC's difficult objects.

    As with all that COCO ignores but crowds, that is one detection for each such object: a second one on it counts as
    false, where VOC's own tools would pass over it too.
    """

    def accumulated(self) -> np.ndarray:
        """Precision by (IoU thresholds, recalls, classes, areas, detections per photo); -1 of a class without an
        object."""
        with _quiet():
            self.accumulate()
        return self.eval["precision"]

    def _prepare(self) -> None:
        super()._prepare()
        for boxes in self._gts.values():
            for box in boxes:
                box["ignore"] = int(is_ignored(box))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pycocotools prints its progress. Where two threads redirect at once, each may put back what the other has put."""
    with _REDIRECTING, contextlib.redirect_stdout(io.StringIO()):
        yield


def _index(coco: dict, boxes: Iterable[dict]) -> COCO:
    """Boxes as pycocotools wants them: copied, since it writes into them, and numbered from 1, since it takes a
    detection that matched box 0 for unmatched."""
    index = COCO()
    index.dataset = {**coco, "info": {}, "annotations": [{**box, "id": k} for k, box in enumerate(boxes, start=1)]}
    index.createIndex()
    return index


def _mean(precision: np.ndarray) -> float:
    counted = precision[precision > -1]
    return 100 * float(counted.mean()) if counted.size else float("nan")
