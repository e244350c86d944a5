"""AP figures against a direct run of pycocotools, from files, and against cases that can be counted by hand."""

import json
import math
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from obcn.data import Annotations
from obcn.engine.evaluate import average_precision, evaluate, judged
from obcn.errors import UserError
from obcn.models.scoring import ScoredPhoto
from obcn.models.selection import DetectionThresholds, ScoredCandidates
from obcn.offsets import RegressionCodec
from obcn.records.detections import category_ids, coco_rows

CATEGORIES = [{"id": 3, "name": "ant"}, {"id": 11, "name": "bee"}, {"id": 5, "name": "cow"}]


def truth(boxes: list[dict], images: int = 1, first_id: int = 1) -> Annotations:
    """Boxes need image_id, category_id and bbox."""
    complete = [
        {"id": number, "iscrowd": 0, "area": box["bbox"][2] * box["bbox"][3], **box}
        for number, box in enumerate(boxes, start=first_id)
    ]
    records = [
        {"id": number, "file_name": f"{number}.png", "width": 200, "height": 200} for number in range(1, images + 1)
    ]
    return Annotations(Path(), {"images": records, "annotations": complete, "categories": CATEGORIES})


def box(bbox: list[float], category_id: int = 3, image_id: int = 1, **flags: int) -> dict:
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, **flags}


def row(bbox: list[float], score: float, category_id: int = 3, image_id: int = 1) -> dict:
    return box(bbox, category_id, image_id) | {"score": score}


@pytest.fixture(scope="module")
def random_case() -> tuple[Annotations, list[dict]]:
    """Objects of all sizes, some crowds, detections shaken off them, false alarms and misses."""
    random = np.random.default_rng(4)
    boxes, rows = [], []
    for image_id in range(1, 31):
        for _ in range(random.integers(0, 6)):
            size = np.exp(random.uniform(2, 5, 2))
            corner = random.uniform(0, 200 - size.clip(max=199))
            category = CATEGORIES[random.integers(3)]["id"]
            bbox = [float(value) for value in (*corner, *size)]
            boxes.append(box(bbox, category, image_id, iscrowd=int(random.random() < 0.1)))
            for _ in range(random.integers(0, 3)):
                shaken = np.array(bbox) + random.normal(0, 0.08, 4) * size.repeat(2)
                rows.append(row(shaken.tolist(), float(random.random()), category, image_id))
        rows.append(row([5.0, 5.0, 40.0, 40.0], float(random.random()), 11, image_id))
    return truth(boxes, images=30), rows


@pytest.fixture(scope="module")
def direct(random_case, tmp_path_factory) -> COCOeval:
    """pycocotools as its own example runs it: everything from files."""
    annotations, rows = random_case
    folder = tmp_path_factory.mktemp("direct")
    (folder / "truth.json").write_text(json.dumps(annotations.coco | {"info": {}}))
    (folder / "rows.json").write_text(json.dumps(rows))
    objects = COCO(str(folder / "truth.json"))
    judge = COCOeval(objects, objects.loadRes(str(folder / "rows.json")), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return judge


def test_summary_figures_are_those_of_pycocotools(random_case, direct):
    figures = average_precision(*random_case)
    for name, expected in zip(("AP", "AP50", "AP75", "APs", "APm", "APl"), direct.stats, strict=False):
        assert 5 < figures[name] < 100
        assert figures[name] == pytest.approx(100 * expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "index"), [("AP50", 0), ("AP60", 2), ("AP70", 4), ("AP75", 5), ("AP80", 6), ("AP90", 8)]
)
def test_figures_at_one_iou_are_slices(random_case, direct, name, index):
    at_iou = direct.eval["precision"][index, :, :, 0, 2]
    assert average_precision(*random_case)[name] == pytest.approx(100 * at_iou[at_iou > -1].mean(), abs=1e-9)


def test_figures_of_each_class_are_slices(random_case, direct):
    figures = average_precision(*random_case)
    for category in CATEGORIES:
        of_class = direct.eval["precision"][:, :, direct.params.catIds.index(category["id"]), 0, 2]
        assert figures[f"AP:{category['name']}"] == pytest.approx(100 * of_class.mean(), abs=1e-9)


def test_inputs_are_left_as_they_were(random_case):
    annotations, rows = random_case
    before = json.dumps([annotations.coco, rows])
    average_precision(annotations, rows)
    assert json.dumps([annotations.coco, rows]) == before


def test_perfect_detections_give_100():
    bboxes = [[10, 10, 20, 20], [60, 50, 50, 50], [20, 80, 110, 100]]
    annotations = truth([box(bbox, category["id"]) for bbox, category in zip(bboxes, CATEGORIES, strict=True)])
    rows = [row(bbox, 0.9, category["id"]) for bbox, category in zip(bboxes, CATEGORIES, strict=True)]
    figures = average_precision(annotations, rows)
    assert len(figures) == 13
    assert all(value == pytest.approx(100) for value in figures.values())


def test_annotations_numbered_from_zero_count_too():
    annotations = truth([box([10, 10, 50, 50])], first_id=0)
    assert average_precision(annotations, [row([10, 10, 50, 50], 0.9)])["AP"] == pytest.approx(100)


def test_no_detections_give_zero():
    figures = average_precision(truth([box([10, 10, 50, 50])]), [])
    assert figures["AP"] == figures["AP50"] == figures["AP:ant"] == 0
    assert math.isnan(figures["AP:bee"])
    assert math.isnan(figures["APs"])


def test_nothing_to_find_gives_nan():
    assert math.isnan(average_precision(truth([]), [row([1, 2, 3, 4], 0.5)])["AP"])


@pytest.mark.parametrize("flag", ["difficult", "iscrowd"])
class TestIgnoredObject:
    """A clear object, found second best, beside an ignored one at the other end of the photo."""

    clear, other = [10, 10, 50, 50], [120, 120, 60, 60]

    def test_finding_it_is_no_false_positive(self, flag):
        rows = [row(self.other, 0.9), row(self.clear, 0.8)]
        assert average_precision(truth([box(self.clear), box(self.other, **{flag: 1})]), rows)["AP"] == pytest.approx(
            100
        )
        # Were nothing annotated there, the better scored detection would halve the precision.
        assert average_precision(truth([box(self.clear)]), rows)["AP"] == pytest.approx(50)

    def test_not_finding_it_is_no_miss(self, flag):
        rows = [row(self.clear, 0.8)]
        assert average_precision(truth([box(self.clear), box(self.other, **{flag: 1})]), rows)["AP"] == pytest.approx(
            100
        )
        # Were it not ignored, recall would stop at one half: 51 of COCO's 101 recall levels.
        missed = average_precision(truth([box(self.clear), box(self.other)]), rows)["AP"]
        assert missed == pytest.approx(100 * 51 / 101)


class Oracle:
    """Answers with the boxes of the photo whose brightness it sees; classes in an order of its own."""

    classes: tuple[str, ...] = ("cow", "ant", "bee")

    def __init__(self, answers: dict[int, dict[str, Tensor]]) -> None:
        self.answers = answers
        self.codec = RegressionCodec()
        self.thresholds = DetectionThresholds()

    def score(self, photo: Image.Image) -> ScoredPhoto:
        answer = self.answers[photo.getpixel((0, 0))[0]]
        boxes = answer["boxes"].float()
        probabilities = torch.zeros(len(boxes), 4)
        probabilities[range(len(boxes)), answer["labels"]] = answer["scores"]
        return ScoredPhoto(
            *photo.size, self.classes, ScoredCandidates(boxes, probabilities, torch.zeros_like(boxes)[:, None])
        )


@pytest.fixture
def oracle_case(tmp_path: Path) -> tuple[Oracle, Annotations]:
    """Two photos; the detector's label 1 is the data's category 5, and so on."""
    annotations = truth(
        [box([10, 20, 30, 40], 3, 1), box([5, 5, 100, 90], 5, 1), box([50, 60, 70, 80], 11, 2)], images=2
    )
    for image in annotations.images:
        Image.new("RGB", (200, 200), (image["id"],) * 3).save(tmp_path / image["file_name"])
    answers = {
        1: {"boxes": [[10, 20, 40, 60], [5, 5, 105, 95]], "scores": [0.9, 0.8], "labels": [2, 1]},
        2: {"boxes": [[50, 60, 120, 140]], "scores": [0.7], "labels": [3]},
    }
    tensors = {key: {name: torch.tensor(value) for name, value in answer.items()} for key, answer in answers.items()}
    return Oracle(tensors), Annotations(tmp_path, annotations.coco)


def test_evaluate_maps_labels_to_the_datas_categories_by_name(oracle_case):
    oracle, annotations = oracle_case
    seen = []
    figures = evaluate(oracle, annotations, on_photo=lambda: seen.append(1))
    assert figures["AP"] == pytest.approx(100)
    assert len(seen) == 2


def test_rows_are_corner_and_size(oracle_case):
    oracle, annotations = oracle_case
    ids = category_ids(oracle, annotations)
    assert ids == [5, 3, 11]
    assert coco_rows(1, oracle.answers[1], ids) == [
        {"image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40], "score": pytest.approx(0.9)},
        {"image_id": 1, "category_id": 5, "bbox": [5, 5, 100, 90], "score": pytest.approx(0.8)},
    ]


OTHERS = r"the checkpoint's classes \(cow, ant.*\) are not the data's \(ant, cow, bee\)"


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("cow", "ant"), OTHERS),
        (("cow", "ant", "wasp"), OTHERS),
        (("cow", "ant", "bee", "dog"), "categories leave out dog, which the checkpoint knows; add them"),
    ],
)
def test_other_classes_are_refused(oracle_case, classes, words):
    oracle, annotations = oracle_case
    oracle.classes = classes
    with pytest.raises(UserError, match=words):
        evaluate(oracle, annotations)


def test_damaged_photo_is_named(oracle_case):
    oracle, annotations = oracle_case
    (annotations.folder / "2.png").write_bytes(b"not a photo")
    with pytest.raises(UserError, match=r"2\.png is not an image"):
        evaluate(oracle, annotations)


def test_threads_redirect_the_output_one_at_a_time(monkeypatch) -> None:
    own, inside, most = sys.stdout, [], []

    def slow(_: COCOeval) -> None:
        inside.append(sys.stdout)
        time.sleep(0.1)
        most.append(len(inside))
        inside.pop()

    monkeypatch.setattr(COCOeval, "evaluate", slow)
    annotations, rows = truth([box([0, 0, 50, 50])]), [box([0, 0, 50, 50]) | {"score": 0.5}]
    threads = [threading.Thread(target=judged, args=(annotations, rows)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]
    assert sys.stdout is own
