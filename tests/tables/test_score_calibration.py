"""D-ECE and LaECE against the papers' formulas, written out naively."""

import numpy as np
import pytest

from obcn.tables.score_calibration import score_calibration
from tests.synthetic_records import write_scene

IOU_OF = {0.0: (0, 0, 50, 50), 5.0: (5, 0, 55, 50), 10.0: (10, 0, 60, 50)}


def reference_d_ece(detections: list[dict], bins: int = 20) -> float:
    """Kueppers et al. 2020, eq. 6 with the score alone: sum over bins of |I(m)| / |D| |prec(m) - conf(m)|."""
    total = 0.0
    for m in range(bins):
        inside = [
            d for d in detections if m / bins <= d["score"] < (m + 1) / bins or (m == bins - 1 and d["score"] == 1)
        ]
        if inside:
            precision = sum(d["iou"] > 0 for d in inside) / len(inside)
            confidence = sum(d["score"] for d in inside) / len(inside)
            total += len(inside) / len(detections) * abs(precision - confidence)
    return total


def reference_la_ece(detections: list[dict], bins: int = 25) -> float:
    """Oksuz et al. 2023, eq. 7: over c, j: |D_j^c| / |D^c| |conf_j^c - prec_j^c x mean IoU of the matches|."""
    classes = sorted({d["category"] for d in detections})
    per_class = []
    for category in classes:
        own = [d for d in detections if d["category"] == category]
        total = 0.0
        for j in range(bins):
            inside = [d for d in own if j / bins <= d["score"] < (j + 1) / bins or (j == bins - 1 and d["score"] == 1)]
            if inside:
                matches = [d["iou"] for d in inside if d["iou"] > 0]
                confidence = sum(d["score"] for d in inside) / len(inside)
                precision = len(matches) / len(inside)
                mean_iou = sum(matches) / len(matches) if matches else 0.0
                total += len(inside) / len(own) * abs(confidence - precision * mean_iou)
        per_class.append(total)
    return sum(per_class) / len(classes)


@pytest.fixture
def scene(tmp_path):
    """Matches at three overlaps, false alarms, a miss and an ignored object, two classes."""
    random = np.random.default_rng(3)
    rows, detections = [], []
    for number in range(120):
        category, score = int(random.integers(1, 3)), float(np.float32(random.random()))
        shift = random.choice(list(IOU_OF))
        row = {"photo": number + 1, "category": category, "box": IOU_OF[shift], "score": score}
        iou = 0.0
        if random.random() < 0.6:
            row |= {"truth": IOU_OF[0.0], "id": number + 1}
            iou = (50 - shift) / (50 + shift)
            row["columns"] = {"iou": iou}
        rows.append(row)
        detections.append({"score": score, "category": category, "iou": iou})
    rows.append({"photo": 121, "category": 1, "truth": IOU_OF[0.0], "id": 500})
    rows.append(
        {
            "photo": 122,
            "category": 1,
            "box": IOU_OF[0.0],
            "score": 0.9,
            "truth": IOU_OF[0.0],
            "id": 501,
            "difficult": True,
        }
    )
    return write_scene(tmp_path / "r.parquet", rows, 122), detections


def test_both_errors_are_the_papers(scene) -> None:
    """Mutants: misses or ignored rows counted, one class for all, precision without IoU, bins of equal count."""
    path, detections = scene
    (row,) = score_calibration([path]).to_dict("records")
    assert row["detections"] == len(detections)
    assert row["d_ece"] == pytest.approx(reference_d_ece(detections), abs=1e-6)
    assert row["la_ece"] == pytest.approx(reference_la_ece(detections), abs=1e-6)
    assert min(row["d_ece"], row["la_ece"], abs(row["d_ece"] - row["la_ece"])) > 0.005, "or they could be mixed up"


def test_scores_that_are_right_as_often_as_they_say_have_no_error(tmp_path) -> None:
    """Half of the detections at score 0.5 match, with IoU 1: nothing to put right."""
    rows = [
        {"photo": number, "box": IOU_OF[0.0], "score": 0.5}
        | ({"truth": IOU_OF[0.0], "id": number, "columns": {"iou": 1.0}} if number % 2 else {})
        for number in range(1, 41)
    ]
    (row,) = score_calibration([write_scene(tmp_path / "r.parquet", rows, 40)]).to_dict("records")
    assert row["d_ece"] == pytest.approx(0, abs=1e-9)
    assert row["la_ece"] == pytest.approx(0, abs=1e-9)
