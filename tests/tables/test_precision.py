import numpy as np
import pytest

from analysis.ap_by_iou import ap_by_iou
from obcn.data import Annotations
from obcn.engine.evaluate import average_precision
from obcn.records.coco import coco_of_classes, coco_of_records
from obcn.tables.ap_curves import ap_tables
from obcn.tables.precision import bootstrap_ap, load_results, same_data
from tests.synthetic_records import write_scene

HALF_RECALL = 100 * 51 / 101  # recalls 0, 0.01, ..., 0.50 at full precision


def random_scene(path, seed: int, photos: int = 12, shake: float = 6.0):
    """Objects with detections near some of them, false alarms, difficult objects, two classes."""
    rng = np.random.default_rng(seed)
    rows = []
    for photo in range(1, photos + 1):
        for number in range(int(rng.integers(0, 4))):
            x, y = rng.uniform(0, 120, 2)
            truth = (x, y, x + rng.uniform(20, 70), y + rng.uniform(20, 70))
            category = int(rng.integers(1, 3))
            key = photo * 100 + number
            rows.append(
                {"photo": photo, "category": category, "truth": truth, "id": key, "difficult": rng.random() < 0.15}
            )
            for _ in range(int(rng.integers(0, 3))):
                box = tuple(np.float32(np.array(truth) + rng.normal(0, shake, 4)).tolist())
                rows.append({"photo": photo, "category": category, "box": box, "score": np.float32(rng.random())})
        for _ in range(int(rng.integers(0, 2))):
            x, y = rng.uniform(0, 150, 2)
            box = tuple(np.float32([x, y, x + 40, y + 30]).tolist())
            rows.append({"photo": photo, "category": int(rng.integers(1, 3)), "box": box, "score": rng.random()})
    return write_scene(path, rows, photos)


@pytest.mark.parametrize("seed", range(3))
def test_ap_is_that_of_pycocotools(tmp_path, seed):
    path = random_scene(tmp_path / "r.parquet", seed)
    model = load_results(path)
    expected = average_precision(*coco_of_records(path))
    ap = model.ap()
    assert ap.mean() == pytest.approx(expected["AP"], abs=1e-9)
    assert 0 < expected["AP"] < 100
    for iou in (50, 60, 70, 75, 80, 90):
        assert ap[np.isclose(model.ious, iou / 100)][0] == pytest.approx(expected[f"AP{iou}"], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_ap_of_a_draw_is_that_of_pycocotools_on_repeated_photos(tmp_path, seed):
    path = random_scene(tmp_path / "r.parquet", seed)
    model = load_results(path)
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, len(model.photo_ids))
    truth, rows = coco_of_records(path)
    coco = {"images": [], "annotations": [], "categories": truth.coco["categories"]}
    repeated = []
    for photo, count in zip(model.photo_ids.tolist(), counts, strict=True):
        for copy in range(count):
            # Copies of a photo stand side by side in the ranking.
            new = photo * 10 + copy
            coco["images"].append({"id": new})
            for box in truth.coco["annotations"]:
                if box["image_id"] == photo:
                    number = len(coco["annotations"]) + 1
                    coco["annotations"].append({**box, "image_id": new, "id": number})
            repeated += [{**row, "image_id": new} for row in rows if row["image_id"] == photo]
    expected = average_precision(Annotations(tmp_path, coco), repeated)
    assert model.ap(counts).mean() == pytest.approx(expected["AP"], abs=1e-9)


def test_bootstrap_of_two_photos_by_hand(tmp_path):
    """One photo perfect, one missed: drawn twice, once each, or not at all, with odds 1 : 2 : 1."""
    rows = [
        {"photo": 1, "truth": (0, 0, 50, 50), "id": 1, "box": (0, 0, 50, 50), "score": 0.9},
        {"photo": 2, "truth": (0, 0, 50, 50), "id": 2},
    ]
    model = load_results(write_scene(tmp_path / "r.parquet", rows, photos=2))
    (draws,) = bootstrap_ap([model], samples=4000)
    values, counts = np.unique(draws[:, 0].round(6), return_counts=True)
    np.testing.assert_allclose(values, [0, HALF_RECALL, 100], atol=1e-5)
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)


def test_bootstrap_draws_empty_photos_too(tmp_path):
    """Of 3 photos, 2 have nothing: the object is missing from (2/3)^3 of the draws, whose AP is NaN."""
    rows = [{"photo": 1, "truth": (0, 0, 50, 50), "id": 1, "box": (0, 0, 50, 50), "score": 0.9}]
    model = load_results(write_scene(tmp_path / "r.parquet", rows, photos=3))
    (draws,) = bootstrap_ap([model], samples=3000)
    assert np.isnan(draws[:, 0]).mean() == pytest.approx(8 / 27, abs=0.03)
    assert set(draws[~np.isnan(draws)].round(6)) == {100}


def test_models_see_the_same_draws(tmp_path):
    one = load_results(random_scene(tmp_path / "a.parquet", 1))
    two = load_results(random_scene(tmp_path / "b.parquet", 1))
    first, second = bootstrap_ap([one, two], samples=20)
    np.testing.assert_array_equal(first, second)
    assert first.std() > 0


OBJECTS = [(0, 0, 50, 50), (100, 100, 150, 150)]


def localisation_scene(path, second_box, second_score=0.5):
    """The first object is found; ``second_box`` is another detection."""
    rows = [
        {"photo": 1, "truth": OBJECTS[0], "id": 1, "box": OBJECTS[0], "score": 0.9},
        {"photo": 1, "truth": OBJECTS[1], "id": 2},
        {"photo": 1, "box": second_box, "score": second_score},
    ]
    return load_results(write_scene(path, rows, photos=1))


def test_a_badly_placed_detection_is_put_right(tmp_path):
    # IoU with the second object: 25 * 50 / (2 * 2500 - 1250) = 1/3.
    model = localisation_scene(tmp_path / "r.parquet", (125, 100, 175, 150))
    assert model.ap()[0] == pytest.approx(HALF_RECALL)
    assert model.ap(localised=True)[0] == pytest.approx(100)


def test_a_detection_off_every_object_stays_wrong(tmp_path):
    # IoU 2.5 * 50 / (5000 - 125) = 0.026, below the background threshold.
    model = localisation_scene(tmp_path / "r.parquet", (147.5, 100, 197.5, 150), second_score=0.95)
    precision_half = 100 * 51 / 101 / 2
    assert model.ap()[0] == pytest.approx(precision_half)
    assert model.ap(localised=True)[0] == pytest.approx(precision_half)


def test_a_duplicate_is_no_localisation_error(tmp_path):
    # IoU 0.9 with the object that is taken, and the better score has it.
    model = localisation_scene(tmp_path / "r.parquet", (0, 0, 50, 45), second_score=0.95)
    first = model.ap(localised=True)[0]
    assert first == pytest.approx(model.ap()[0])


def test_a_second_claim_to_a_taken_object_is_set_aside(tmp_path):
    # IoU 1/3 with the object that the other detection has; it was a false alarm above it.
    model = localisation_scene(tmp_path / "r.parquet", (25, 0, 75, 50), second_score=0.95)
    assert model.ap()[0] == pytest.approx(HALF_RECALL / 2)
    assert model.ap(localised=True)[0] == pytest.approx(HALF_RECALL)


def test_table_and_summary(tmp_path):
    paths = [random_scene(tmp_path / "a.parquet", 1), random_scene(tmp_path / "b.parquet", 1)]
    tables, figures = ap_by_iou(paths, samples=50)
    table, summary = tables["ap_by_iou"], tables["ap_summary"]
    assert list(summary.model) == ["regression [a]", "regression [b]"]
    assert len(table) == 20
    assert (table.difference == 0).all()
    assert (table.ap_low <= table.ap_high).all()
    assert (table.ap_localised >= table.ap - 1e-9).all()
    row = summary.iloc[0]
    assert row.ap == pytest.approx(table[table.model == row.model].ap.mean())
    assert {trace.name for trace in figures["ap_by_iou"].data} >= set(summary.model)


def test_what_perfect_placement_recovers_by_hand(tmp_path):
    """One object found, one detection on the other with an IoU of 1/3: perfect placement recovers all that is lost."""
    model = localisation_scene(tmp_path / "r.parquet", (125, 100, 175, 150))
    (row,) = ap_tables([model], ["m"], samples=0)["ap_summary"].to_dict("records")
    assert row["ap50_localised"] == pytest.approx(100)
    assert row["recovered_by_placement"] == pytest.approx(100 - HALF_RECALL)


def test_ignored_objects_recover_nothing(tmp_path):
    """Mutant: ignored objects are among those that a badly placed detection could have."""
    rows = [
        {"photo": 1, "truth": OBJECTS[1], "id": 1, "difficult": True},
        {"photo": 1, "truth": OBJECTS[0], "id": 2, "box": OBJECTS[0], "score": 0.5},
        {"photo": 1, "box": (125, 100, 175, 150), "score": 0.9},
    ]
    model = load_results(write_scene(tmp_path / "r.parquet", rows, photos=1))
    assert model.ap()[0] == pytest.approx(50)
    assert model.ap(localised=True)[0] == pytest.approx(50)


def test_a_badly_placed_detection_is_put_right_beside_an_ignored_object(tmp_path):
    """Mutant: the order of pycocotools' matches, ignored objects last, is dropped where its IoUs are read."""
    rows = [
        {"photo": 1, "truth": OBJECTS[1], "id": 1, "difficult": True},
        {"photo": 1, "truth": OBJECTS[0], "id": 2},
        {"photo": 1, "box": (25, 0, 75, 50), "score": 0.9},
    ]
    model = load_results(write_scene(tmp_path / "r.parquet", rows, photos=1))
    assert model.ap()[0] == 0
    assert model.ap(localised=True)[0] == pytest.approx(100)


def test_bands_hold_95_percent_and_differences_are_of_the_same_draws(tmp_path):
    """Mutants: 90% called 95%, percentile bands for levels, differences of draws of other photos."""
    one = load_results(random_scene(tmp_path / "a.parquet", 1))
    # The same photos and objects, detections further off.
    two = load_results(random_scene(tmp_path / "b.parquet", 1, shake=9.0))
    assert same_data([one, two])
    summary = ap_tables([one, two], ["one", "two"], samples=200, seed=3)["ap_summary"].set_index("model")
    first, second = (draws.mean(axis=1) for draws in bootstrap_ap([one, two], 200, seed=3))
    low, high = np.nanquantile(second, (0.025, 0.975))
    assert summary.ap_low["two"] == pytest.approx(max(2 * summary.ap["two"] - high, 0))
    assert summary.ap_high["two"] == pytest.approx(2 * summary.ap["two"] - low)
    low, high = np.nanquantile(second - first, (0.025, 0.975))
    assert summary.difference_low["two"] == pytest.approx(low)
    assert summary.difference_high["two"] == pytest.approx(high)
    apart = np.nanquantile(second[::-1] - first, (0.025, 0.975))
    assert abs(apart - (low, high)).max() > 0.5, "or unpaired draws would go unseen"
    assert (summary.difference_low["one"], summary.difference_high["one"]) == (0, 0)


def test_models_on_other_photos_are_not_compared(tmp_path):
    paths = [random_scene(tmp_path / "a.parquet", 1), random_scene(tmp_path / "b.parquet", 2)]
    assert not same_data([load_results(path) for path in paths])
    tables, _ = ap_by_iou(paths, samples=0)
    assert tables["ap_by_iou"].difference.isna().all()
    assert tables["ap_by_iou"].ap_low.isna().all()


def test_detections_behind_the_hundred_best_are_not_even_listed(tmp_path):
    """They change no AP, and a file of millions of them must not fill the memory."""
    truth = {"photo": 1, "box": (0, 0, 50, 50), "score": 0.2, "truth": (0, 0, 50, 50), "id": 1}
    others = [{"photo": 1, "box": (k, 60, k + 9, 90), "score": 0.5} for k in range(120)]
    rows = coco_of_records(write_scene(tmp_path / "a.parquet", [truth, *others], photos=1))[1]
    assert [row["bbox"][0] for row in rows] == list(range(100))
    crowded = load_results(tmp_path / "a.parquet")
    assert crowded.ap()[0] == 0, "the match comes too late, as pycocotools has it"


def test_pieces_of_a_class_give_what_the_whole_gives(tmp_path, monkeypatch):
    path = tmp_path / "r.parquet"
    random_scene(path, 3)
    whole = load_results(path)
    monkeypatch.setattr("obcn.records.coco.ROWS_AT_ONCE", 5)
    photos = [image["id"] for truth, _ in next(coco_of_classes(path)) for image in truth.images]
    assert len(list(next(coco_of_classes(path)))) > 2
    assert photos == sorted(set(photos)), "no photo is cut in two"
    for one, other in zip(whole.classes, load_results(path).classes, strict=True):
        for name in ("photo", "matched", "ignored", "matched_if_localised", "ignored_if_localised", "objects"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
