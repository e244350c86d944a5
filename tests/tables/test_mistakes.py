"""Mistakes by kind and what they cost, against a case worked out by hand."""

import numpy as np
import pytest

from obcn.engine.evaluate import average_precision
from obcn.records.coco import coco_of_records
from obcn.tables.mistakes import KINDS, costs_of_mistakes, mistakes_of
from tests.synthetic_records import write_scene
from tests.tables.test_precision import random_scene

CAT, DOG = 1, 2
OBJECT = (0, 0, 100, 100)
NEAR = (60, 0, 160, 100)  # IoU 0.25
OFF = (150, 150, 190, 190)


def box(photo: int, category: int, score: float, at=OBJECT) -> dict:
    return {"photo": photo, "category": category, "box": at, "score": score}


def missed(photo: int, category: int, at=OBJECT) -> dict:
    return {"photo": photo, "category": category, "truth": at, "id": photo}


def found(photo: int, score: float) -> dict:
    return missed(photo, CAT) | box(photo, CAT, score)


@pytest.fixture
def scene(tmp_path):
    """A mistake of each kind, and two cats found: background, both, class, found, duplicate, place, found, by score."""
    return write_scene(
        tmp_path / "scene.parquet",
        [
            found(1, 0.9),
            box(1, CAT, 0.8, (0, 0, 100, 90)),
            box(2, CAT, 0.95),
            missed(2, DOG),
            box(3, CAT, 0.7, NEAR),
            missed(3, CAT),
            box(4, CAT, 0.97, OFF),
            missed(4, DOG, (0, 0, 50, 50)),
            box(5, CAT, 0.96, NEAR),
            missed(5, DOG),
            found(6, 0.5),
        ],
        6,
    )


def test_each_kind_is_told_by_class_and_overlap(scene) -> None:
    table = mistakes_of(scene)
    told = [(row.kind, row.file_name, row.category) for row in table.itertuples()]
    assert told == [
        ("duplicate", "1.png", "cat"),
        ("classification", "2.png", "cat"),
        ("localisation", "3.png", "cat"),
        ("background", "4.png", "cat"),
        ("missed", "4.png", "dog"),
        ("both", "5.png", "cat"),
        ("missed", "5.png", "dog"),
    ]
    assert table.row.tolist() == [1, 2, 4, 6, 7, 8, 9]
    assert table.truth_category.astype(object).where(table.truth_category.notna(), None).tolist() == [
        "cat", "dog", "cat", None, "dog", "dog", "dog"
    ]  # fmt: skip
    np.testing.assert_allclose(table.iou, [0.9, 1, 0.25, np.nan, np.nan, 0.25, np.nan], atol=1e-6)


def ap(ranking: str, objects: int) -> float:
    """AP of a ranking such as ``-+-+``, right and wrong detections best first, by COCO's 101 recalls."""
    hits = np.array([mark == "+" for mark in ranking])
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    recall = np.cumsum(hits) / objects
    return float(np.mean([max(precision[recall >= level - 1e-12], default=0.0) for level in np.linspace(0, 1, 101)]))


def test_what_each_kind_costs(scene) -> None:
    before = (ap("---+--+", 3) + 0) / 2
    after = {
        "classification": (ap("--+--+", 3) + ap("+", 3)) / 2,
        "localisation": ap("---+-++", 3) / 2,
        "both": ap("--+--+", 3) / 2,
        "duplicate": ap("---+-+", 3) / 2,
        "background": ap("--+--+", 3) / 2,
        "missed": before,  # of the dogs the one that is taken for a cat stays, and no dog is found
    }
    table = costs_of_mistakes(scene, mistakes_of(scene)).set_index("kind")
    assert table["count"].to_dict() == dict.fromkeys(KINDS, 1) | {"missed": 2}
    for kind in KINDS:
        assert table.ap50[kind] == pytest.approx(100 * after[kind]), kind
        assert table.gain[kind] == pytest.approx(100 * (after[kind] - before)), kind


def test_boxes_behind_the_hundred_that_count_are_told_and_cost_nothing(tmp_path) -> None:
    crowded = [box(1, CAT, 0.9 - number / 1000, OFF) for number in range(120)]
    path = write_scene(tmp_path / "r.parquet", [*crowded, box(2, CAT, 0.95, NEAR), missed(2, CAT)], 2)
    table = costs_of_mistakes(path, mistakes_of(path)).set_index("kind")
    assert table["count"]["background"] == 120
    assert table.ap50["background"] == 0
    assert table.ap50["localisation"] == pytest.approx(100)


def test_missed_objects_cost_recall(tmp_path) -> None:
    path = write_scene(tmp_path / "r.parquet", [found(1, 0.9), missed(2, CAT)], 2)
    table = costs_of_mistakes(path, mistakes_of(path)).set_index("kind")
    assert table.gain["missed"] == pytest.approx(100 * (1 - 51 / 101))


def test_of_several_boxes_near_one_object_only_the_best_is_put_right(tmp_path) -> None:
    rows = [box(1, CAT, 0.9, NEAR), box(1, CAT, 0.8, NEAR), missed(1, CAT), box(2, CAT, 0.7, NEAR), found(2, 0.6)]
    path = write_scene(tmp_path / "r.parquet", rows, 2)
    table = mistakes_of(path)
    assert table.kind.tolist() == ["localisation"] * 3
    costs = costs_of_mistakes(path, table).set_index("kind")
    assert costs.ap50["localisation"] == pytest.approx(100), "the second goes, and so does the one on what is found"


def test_difficult_objects_are_nobodys_mistake(tmp_path) -> None:
    rows = [missed(1, CAT) | {"difficult": True}, box(1, CAT, 0.9, NEAR), found(2, 0.5)]
    table = mistakes_of(write_scene(tmp_path / "r.parquet", rows, 2))
    assert table.kind.tolist() == ["background"], "it may not be near what does not count"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_and_the_start_is_the_ap_of_the_evaluation(tmp_path, seed) -> None:
    path = random_scene(tmp_path / "r.parquet", seed)
    table = mistakes_of(path)
    costs = costs_of_mistakes(path, table)
    before = average_precision(*coco_of_records(path))["AP50"]
    np.testing.assert_allclose(costs.ap50 - costs.gain, before)
    assert costs["count"].sum() == len(table)
    assert table.kind.notna().all()


def test_a_path_may_be_a_text(scene) -> None:
    assert len(costs_of_mistakes(str(scene), mistakes_of(str(scene)))) == len(KINDS)


def test_a_perfect_head_makes_none(tmp_path) -> None:
    path = write_scene(tmp_path / "r.parquet", [found(1, 0.9)], 1)
    assert mistakes_of(path).empty
    assert costs_of_mistakes(path, mistakes_of(path)).gain.abs().max() == 0
