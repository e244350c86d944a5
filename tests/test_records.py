"""Record files of small random detectors on generated photos."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from obcn.checkpoints import Card, Training
from obcn.config import DetectorConfig
from obcn.data import Annotations
from obcn.data.checks import MAX_SIDE
from obcn.engine.evaluate import average_precision
from obcn.errors import UserError
from obcn.explain import select
from obcn.models.detector import build_detector
from obcn.offsets import OffsetCode, SideCode, SupportPointCodec, UniformBins
from obcn.records import checks, files
from obcn.records.coco import coco_of_records
from obcn.records.detections import category_ids, coco_rows, detect
from obcn.records.files import RecordInfo, RecordWriter, join_records, read_info, read_records
from obcn.records.rows import match_truths, photo_columns
from obcn.records.schema import COORDINATES, CORNERS, each, record_columns
from obcn.records.write import recorded, write_records

CLASSES = ("cat", "dog")
OFFSETS = {
    "regression": {"codec": "regression"},
    "bins": {"codec": "bins", "num_stages": 2},
    "dfine": {"codec": "dfine"},
    "distance_bins": {"codec": "distance_bins", "num_bins": 8},
}
BINS = {"regression": (), "bins": (22, 22), "dfine": (23,), "distance_bins": (10,)}


def make_card(offsets: dict, name: str = "tiny") -> Card:
    config = {
        "name": name,
        "input": {"min_size": 96, "max_size": 128, "train_min_sizes": [96]},
        "trunk": {"name": "tf_efficientnet_lite0", "fpn_channels": 16},
        "proposals": {
            "anchor_sizes": [[16], [32], [48], [64]],
            "pre_nms_test": 50,
            "post_nms_test": 30,
        },
        "box_head": {"offsets": offsets, "hidden": 16},
        "schedule": {},
    }
    training = Training(
        command="none", data="none", train_images=0, epochs=0, seed=0, device="cpu", torch="0", commit="none", date=""
    )
    return Card(name=name, classes=CLASSES, config=DetectorConfig.model_validate(config), training=training)


def make_detector(card: Card):
    torch.manual_seed(5)
    detector = build_detector(card.config, card.classes).eval()
    with torch.no_grad():
        # Heads start almost flat; give classes and bins something to say.
        detector.roi_heads.box_head.class_scores.weight.mul_(60)
        detector.roi_heads.box_head.offset_outputs.weight.mul_(600)
    return detector


def make_annotations(folder, detector, photos: int = 4) -> Annotations:
    """Noise photos, with objects near what the detector finds there, and a few that it cannot find."""
    rng = np.random.default_rng(3)
    images, boxes = [], []
    for number in range(1, photos + 1):
        pixels = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number * 10, "file_name": f"{number}.png", "width": 128, "height": 96})
        found = select(detector.score(Image.fromarray(pixels)), detector.codec, detector.thresholds)
        for row in range(0, min(len(found), 24), 3):
            x1, y1, x2, y2 = (found.boxes[row].numpy() + rng.uniform(-2, 2, 4)).tolist()
            category = CLASSES.index(found.names[row]) + 3
            flags = {"difficult": int(row == 3), "iscrowd": int(row == 6)}
            boxes.append((number * 10, category, [x1, y1, max(x2 - x1, 2), max(y2 - y1, 2)], flags))
        boxes.append((number * 10, 3, [126, 94, 2, 2], {"difficult": 0, "iscrowd": 0}))
        boxes.append((number * 10, 4, [126, 1, 2, 2], {"difficult": 1, "iscrowd": 0}))
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], **flags}
        for n, (image, category, box, flags) in enumerate(boxes, start=1)
    ]
    categories = [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}]
    return Annotations(folder, {"images": images, "annotations": annotations, "categories": categories})


@pytest.fixture(scope="module", params=OFFSETS)
def run(request, tmp_path_factory):
    """(detector, annotations, path, the photos that passed) of one detector's record file."""
    folder = tmp_path_factory.mktemp(request.param)
    card = make_card(OFFSETS[request.param])
    detector = make_detector(card)
    annotations = make_annotations(folder, detector)
    path = folder / "deep" / "records.parquet"
    photos = list(
        recorded(detect(detector, annotations), detector, "tiny", card, annotations, path, "obcn eval", "noise")
    )
    return detector, annotations, path, photos


def test_every_detection_and_every_object_has_a_row(run):
    _, annotations, path, photos = run
    frame = read_records(path).to_pandas()
    found = frame[frame.score.notna()]
    assert len(found) == sum(len(found["scores"]) for _, found in photos) > 20
    assert set(frame.truth_id.dropna()) == {box["id"] for box in annotations.coco["annotations"]}
    counts = frame.outcome.value_counts()
    assert counts["matched"] > 10
    assert counts["unmatched"] > 10
    # Two corners per photo that no detection reaches; the difficult one is passed over, not missed.
    corners = frame[frame.truth_x1 == 126]
    assert set(corners[corners.truth_y1 == 94].outcome) == {"missed"}
    assert set(corners[corners.truth_y1 == 1].outcome) == {"ignored"}
    assert corners.score.isna().all()
    assert frame[frame.outcome == "missed"].score.isna().all()
    assert not frame[frame.outcome == "missed"].truth_difficult.astype(bool).any()


def test_rows_of_the_file_are_the_run(run):
    detector, annotations, path, photos = run
    frame = read_records(path).to_pandas()
    for image, found in photos:
        rows = frame[(frame.image_id == image["id"]) & frame.score.notna()]
        np.testing.assert_array_equal(rows[each("box", CORNERS)].to_numpy(), found["boxes"].numpy())
        np.testing.assert_array_equal(rows.score, found["scores"].numpy())
        np.testing.assert_allclose(rows[each("candidate", CORNERS)], found["candidates"].numpy(), atol=1e-4)
        offsets = detector.codec.decode(found["offset_outputs"])
        np.testing.assert_allclose(rows[each("offset")], offsets.numpy(), atol=1e-4)
        assert set(rows.file_name) == {image["file_name"]}
    info = read_info(path)
    assert (info.model, info.photos, info.command) == ("tiny", len(annotations), "obcn eval")
    assert Card.model_validate(info.card).classes == CLASSES
    assert info.bins == BINS[info.card["config"]["box_head"]["offsets"]["codec"]]
    assert info.categories == {3: "cat", 4: "dog"}


def test_ap_from_records_is_the_ap_of_the_run(run):
    detector, annotations, path, photos = run
    ids = category_ids(detector, annotations)
    rows = [row for image, found in photos for row in coco_rows(image["id"], found, ids)]
    expected = average_precision(annotations, rows)
    assert 5 < expected["AP"] < 95
    assert average_precision(*coco_of_records(path)) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_errors_are_those_of_the_boxes(run):
    """Second computation, from the boxes in pixels and with plain numpy."""
    _, _, path, _ = run
    frame = read_records(path).to_pandas()
    rows = frame[frame.outcome == "matched"]
    truth, candidate = rows[each("truth", CORNERS)].to_numpy(), rows[each("candidate", CORNERS)].to_numpy(float)
    size, true_size = candidate[:, 2:] - candidate[:, :2], truth[:, 2:] - truth[:, :2]
    shift = ((truth[:, 2:] + truth[:, :2]) - (candidate[:, 2:] + candidate[:, :2])) / 2
    expected = np.concatenate((10 * shift / size, 5 * np.log(true_size / size)), axis=1)
    np.testing.assert_allclose(rows[each("offset_true")], expected, atol=2e-3)
    np.testing.assert_allclose(rows[each("error")].to_numpy(), rows[each("offset")].to_numpy() - expected, atol=2e-3)

    offset = rows[each("offset")].to_numpy(float)
    centre = (candidate[:, 2:] + candidate[:, :2]) / 2 + offset[:, :2] / 10 * size
    grown = np.exp(offset[:, 2:] / 5) * size
    error_px = np.concatenate((centre - (truth[:, 2:] + truth[:, :2]) / 2, grown - true_size), axis=1)
    np.testing.assert_allclose(rows[each("error_px")], error_px, atol=2e-3)
    assert frame[frame.outcome != "matched"][each("error")].isna().all(axis=None)

    x1, y1, x2, y2 = np.maximum(0, rows[each("box", CORNERS)].to_numpy(float)).T
    shared = (np.minimum(x2, truth[:, 2]) - np.maximum(x1, truth[:, 0])) * (
        np.minimum(y2, truth[:, 3]) - np.maximum(y1, truth[:, 1])
    )
    union = (x2 - x1) * (y2 - y1) + true_size.prod(axis=1) - shared
    np.testing.assert_allclose(rows.iou, shared / union, atol=1e-4)
    assert rows.iou.min() >= 0.5


def test_stages_add_up_and_know_their_bins(tmp_path):
    card = make_card(OFFSETS["bins"])
    detector = make_detector(card)
    annotations = make_annotations(tmp_path, detector)
    path = tmp_path / "bins.parquet"
    write_records(detector, "tiny", card, annotations, path, "c", "d")
    frame = read_records(path).to_pandas()
    rows = frame[frame.outcome == "matched"]
    bins = UniformBins(20, 3.0)
    for c in COORDINATES:
        np.testing.assert_allclose(
            rows[f"stage1_offset_{c}"] + rows[f"stage2_offset_{c}"], rows[f"offset_{c}"], atol=1e-5
        )
        np.testing.assert_allclose(rows[f"stage1_offset_true_{c}"], rows[f"offset_true_{c}"], atol=1e-6)
        left = rows[f"offset_true_{c}"] - rows[f"stage1_offset_{c}"]
        np.testing.assert_allclose(rows[f"stage2_offset_true_{c}"], left, atol=1e-5)
        labels = bins.encode(torch.tensor(rows[f"offset_true_{c}"].to_numpy(float)))
        np.testing.assert_array_equal(rows[f"stage1_true_bin_{c}"], labels.numpy())
        hit = rows[f"stage1_true_bin_{c}"] == rows[f"stage1_top_bin_{c}"]
        np.testing.assert_array_equal(rows[f"stage1_p_true_{c}"][hit], rows[f"stage1_p_top_{c}"][hit])
        assert (rows[f"stage1_p_true_{c}"] <= rows[f"stage1_p_top_{c}"]).all()
        assert rows[f"stage1_entropy_{c}"].between(0, np.log(22) + 1e-6).all()
        assert frame[frame.outcome == "unmatched"][f"stage1_p_true_{c}"].isna().all()
        assert frame[frame.outcome == "unmatched"][f"stage1_entropy_{c}"].notna().all()
    # The final box is the box after the last stage, and expectation's.
    np.testing.assert_allclose(rows[each("stage2", CORNERS)], rows[each("box", CORNERS)], atol=1e-2)
    np.testing.assert_allclose(rows[each("expectation", CORNERS)], rows[each("box", CORNERS)], atol=1e-2)
    assert not np.allclose(rows[each("argmax", CORNERS)], rows[each("box", CORNERS)], atol=0.1)


def test_entropy_spread_and_probability_of_a_known_distribution(tmp_path):
    """Half on bin 8, half on bin 13, of 20 over (-3, 3): midpoints -0.75 and 0.75."""
    from obcn.offsets import BinCodec

    scores = torch.full((1, 1, 4, 22), -100.0)
    scores[..., [8, 13]] = 0.0
    found = {
        "boxes": torch.tensor([[10.0, 10.0, 30.0, 50.0]]),
        "candidates": torch.tensor([[10.0, 10.0, 30.0, 50.0]]),
        "scores": torch.tensor([0.9]),
        "labels": torch.tensor([1]),
        "offset_outputs": scores.reshape(1, -1),
    }
    # Wider by a factor e^0.15: normalised offset 0.75, in bin 13; moved by 1 px of 20: offset 0.5 in bin 12.
    width = 20 * np.exp(0.15)
    truth = {"id": 7, "category_id": 1, "bbox": [21 - width / 2, 10, width, 40], "area": 1.0, "iscrowd": 0}
    image = {"id": 1, "file_name": "a.png", "width": 100, "height": 100}
    columns = photo_columns(image, found, [truth], BinCodec(), {1: "cat"})
    assert columns["outcome"].tolist() == ["matched"]
    assert columns["stage1_p_true_w"][0] == pytest.approx(0.5)
    assert columns["stage1_p_true_x"][0] == pytest.approx(0, abs=1e-12)
    assert columns["stage1_true_bin_x"][0] == 12
    assert columns["stage1_entropy_x"][0] == pytest.approx(np.log(2))
    assert columns["stage1_spread_x"][0] == pytest.approx(0.75)
    assert columns["stage1_spread_px_x"][0] == pytest.approx(0.75 * 20 / 10)
    assert columns["stage1_spread_px_h"][0] == pytest.approx(0.75 * 40 / 5)
    assert columns["error_x"][0] == pytest.approx(-0.5)
    assert columns["error_px_x"][0] == pytest.approx(-1)
    assert columns["error_w"][0] == pytest.approx(-0.75)
    assert columns["error_px_w"][0] == pytest.approx(20 - width)


def test_distances_to_the_sides_have_columns_of_their_own(tmp_path):
    """Half on 1, half on 3 strides of 8 px, from an anchor at (100, 60); the truth begins 2.5 strides to the left."""
    codec = SupportPointCodec((0.0, 1.0, 2.0, 3.0), box=SideCode())
    scores = torch.full((1, 4, 4), -100.0)
    scores[..., [1, 3]] = 0.0
    found = {
        "boxes": torch.tensor([[84.0, 44.0, 116.0, 76.0]]),
        "candidates": torch.tensor([[96.0, 56.0, 104.0, 64.0]]),
        "scores": torch.tensor([0.9]),
        "labels": torch.tensor([1]),
        "offset_outputs": scores.reshape(1, -1),
    }
    truth = {"id": 7, "category_id": 1, "bbox": [80, 44, 36, 32], "area": 1.0, "iscrowd": 0}
    image = {"id": 1, "file_name": "a.png", "width": 200, "height": 100}
    columns = photo_columns(image, found, [truth], codec, {1: "cat"})
    assert columns["offset_left"][0] == pytest.approx(2)
    assert columns["offset_true_left"][0] == pytest.approx(2.5)
    assert columns["error_px_left"][0] == pytest.approx(-4)
    assert columns["error_px_x"][0] == pytest.approx(2)
    assert columns["error_px_w"][0] == pytest.approx(-4)
    assert columns["error_px_right"][0] == columns["error_px_h"][0] == pytest.approx(0)
    assert columns["stage1_spread_px_top"][0] == pytest.approx(8)
    names = [column.name for column in record_columns(1, ("left", "top", "right", "bottom"), "strides")]
    assert set(columns) | {"model"} == set(names)
    assert "stage1_spread_px_x" not in names


def test_files_of_version_1_are_read(run, tmp_path):
    _, _, path, _ = run
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"obcn.records"])
    old = {key: value for key, value in told.items() if key not in ("coordinates", "unit")} | {"version": 1}
    pq.write_table(table.replace_schema_metadata({b"obcn.records": json.dumps(old).encode()}), tmp_path / "old.parquet")
    info = read_info(tmp_path / "old.parquet")
    assert (info.version, info.coordinates, info.unit) == (1, COORDINATES, "normalised offset")
    assert coco_of_records(tmp_path / "old.parquet")[1] == coco_of_records(path)[1]


def test_matches_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(40):
        truths = [
            {"id": n + 1, "image_id": 1, "category_id": int(rng.integers(1, 3)), "bbox": box, "area": box[2] * box[3],
             "iscrowd": int(n == 2), "ignore": 0}
            for n, box in enumerate(np.round(rng.uniform([0, 0, 20, 20], [30, 30, 50, 50], (6, 4))).tolist())
        ]  # fmt: skip
        rows = [
            {"image_id": 1, "category_id": int(rng.integers(1, 3)), "bbox": box, "score": round(rng.random(), 1)}
            for box in np.round(rng.uniform([0, 0, 20, 20], [30, 30, 50, 50], (15, 4))).tolist()
        ]
        coco = COCO()
        categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
        coco.dataset = {"info": {}, "images": [{"id": 1}], "annotations": truths, "categories": categories}
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(json.loads(json.dumps(rows))), "bbox")
        judge.evaluate()
        expected = np.full(len(rows), -1)
        for entry in judge.evalImgs[: len(judge.params.areaRng) * 2]:
            if entry and entry["aRng"] == judge.params.areaRng[0]:
                for detection, truth in zip(entry["dtIds"], entry["dtMatches"][0], strict=True):
                    expected[detection - 1] = int(truth) - 1
        np.testing.assert_array_equal(match_truths(rows, truths), expected)
        seen += (expected >= 0).sum()
    assert seen > 100


def test_rows_are_written_in_groups(run, tmp_path, monkeypatch):
    detector, annotations, path, photos = run
    monkeypatch.setattr(files, "ROWS_PER_GROUP", 10)
    card = Card.model_validate(read_info(path).card)
    chunked = tmp_path / "chunked.parquet"
    for _ in recorded(iter(photos), detector, "tiny", card, annotations, chunked, "obcn eval", "noise"):
        pass
    assert pq.ParquetFile(chunked).num_row_groups == len(photos) > 1
    assert read_records(chunked).combine_chunks().equals(read_records(path).combine_chunks())


def test_parts_joined_are_the_whole(run, tmp_path):
    detector, annotations, path, photos = run
    card = Card.model_validate(read_info(path).card)
    parts = [tmp_path / "0.part", tmp_path / "1.part"]
    for part, some in zip(parts, (photos[:1], photos[1:]), strict=True):
        part_annotations = Annotations(annotations.folder, {**annotations.coco, "images": [image for image, _ in some]})
        list(recorded(iter(some), detector, "tiny", card, part_annotations, part, "obcn eval", "noise"))
    whole = tmp_path / "whole.parquet"
    join_records(parts, whole)
    assert read_info(whole) == read_info(path)
    assert read_records(whole).to_pylist() == read_records(path).to_pylist()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.part", "1.part", "whole.parquet"]


def test_parts_of_other_models_are_not_joined(run, tmp_path):
    detector, annotations, path, photos = run
    card = Card.model_validate(read_info(path).card).model_copy(update={"name": "other"})
    list(recorded(iter(photos), detector, "tiny", card, annotations, tmp_path / "other", "obcn eval", "noise"))
    for parts in ([path, tmp_path / "other"], []):
        with pytest.raises(UserError, match="must be of one model"):
            join_records(parts, tmp_path / "both.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["other"]


def test_a_run_that_stops_leaves_no_file(run, tmp_path):
    detector, annotations, path, photos = run
    passing = recorded(
        iter(photos), detector, "tiny", Card.model_validate(read_info(path).card), annotations, tmp_path / "r", "c", ""
    )
    next(passing)
    passing.close()
    assert list(tmp_path.iterdir()) == []


def test_records_that_cannot_be_written_are_named(run, tmp_path):
    detector, annotations, path, photos = run
    card = Card.model_validate(read_info(path).card)
    (tmp_path / "file").touch()
    within = tmp_path / "file" / "r.parquet"
    with pytest.raises(UserError, match=r"cannot write \S*file/r\.parquet: "):
        list(recorded(iter(photos), detector, "tiny", card, annotations, within, "obcn eval", "noise"))
    with pytest.raises(UserError, match=r"cannot write \S*file/r\.parquet: "):
        join_records([path], within)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("stages", [{}, {"stage_features": "repooled", "ranges": [3.0, 0.6]}])
def test_a_model_that_decodes_another_way_has_another_name(tmp_path, stages):
    card = make_card(OFFSETS["bins"] | stages)
    detector = make_detector(card)
    detector.codec = detector.codec.decoding("argmax", 1)
    annotations = make_annotations(tmp_path, detector, photos=1)
    write_records(detector, "tiny", card, annotations, tmp_path / "r.parquet", "c", "d")
    info = read_info(tmp_path / "r.parquet")
    assert (info.model, info.checkpoint_name) == ("tiny (argmax, K = 1)", "tiny")
    frame = read_records(tmp_path / "r.parquet").to_pandas()
    rows = frame[frame.outcome == "matched"]
    np.testing.assert_allclose(rows[each("argmax", CORNERS)], rows[each("stage1", CORNERS)], atol=1e-3)
    np.testing.assert_allclose(rows[each("offset")], rows[each("stage1_offset")], atol=1e-6)


def test_photos_without_detections_or_objects(tmp_path):
    info = RecordInfo(model="m", card={}, command="c", data="d", photos=2, categories={1: "cat", 2: "dog"}, bins=())
    from obcn.offsets import RegressionCodec

    nothing = {
        "boxes": torch.zeros(0, 4),
        "candidates": torch.zeros(0, 4),
        "scores": torch.zeros(0),
        "labels": torch.zeros(0, dtype=torch.int64),
        "offset_outputs": torch.zeros(0, 4),
    }
    image = {"id": 1, "file_name": "a.png", "width": 10, "height": 10}
    truth = {"id": 9, "image_id": 1, "category_id": 2, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    with RecordWriter(tmp_path / "r.parquet", info) as writer:
        for truths in ([], [truth]):
            writer.add(photo_columns(image, nothing, truths, RegressionCodec(), info.categories))
    frame = read_records(tmp_path / "r.parquet").to_pandas()
    assert frame[["category", "outcome", "truth_id", "truth_x2"]].values.tolist() == [["dog", "missed", 9, 6]]
    assert average_precision(*coco_of_records(tmp_path / "r.parquet"))["AP"] == 0


def test_schema_is_documented(run):
    _, _, path, _ = run
    schema = read_records(path).schema
    text = (Path(__file__).parents[1] / "docs" / "records.md").read_text()
    assert schema.names == [column.name for column in record_columns(read_info(path).num_stages)]
    documented = set(re.findall(r"`(\w+)`", text))
    for field in schema:
        assert field.metadata[b"meaning"]
        name = re.sub(r"stage\d", "stageK", field.name)
        family = name.rsplit("_", 1)[0]
        assert documented & {name, f"{family}_x", f"{family}_x1"}, field.name


def test_wrong_files_get_one_line(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_records(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UserError, match="not a Parquet file"):
        read_records(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="holds no records"):
        read_info(tmp_path / "other.parquet")
    table = pa.table({"a": [1]}).replace_schema_metadata({b"obcn.records": b'{"version": 0}'})
    pq.write_table(table, tmp_path / "old.parquet")
    with pytest.raises(UserError, match="another version"):
        read_info(tmp_path / "old.parquet")


def test_an_absent_column_is_named(run):
    _, _, path, _ = run
    with pytest.raises(UserError, match="no column 'stage3_spread_x'"):
        read_records(path, ["score", "stage3_spread_x"])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("error_x", np.nan, "nan is not from -1e"),
        ("error_px_w", np.inf, "inf is not from -1e"),
        ("box_x1", 1e38, "is not from -1e"),
        ("score", 1.5, "1.5 is not from -0.0001 to 1.0001"),
        ("image_id", None, "None is not a value"),
        ("truth_crowd", None, "None is not what a true object has"),
        ("truth_id", None, "None is not what a true object has"),
        ("truth_x1", None, "None is not what a true object has"),
        ("score", None, "None is not what a detection has"),
        ("box_x1", None, "None is not what a detection has"),
        ("file_name", None, "None is not a value"),
        ("category", None, "None is not a value"),
        ("image_width", None, "None is not a value"),
        ("image_width", 200_000, "200000 is not from 1 to 100000"),
        ("image_height", 0, "0 is not from 1 to 100000"),
        ("outcome", "lost", "'lost' is not one of matched, unmatched, ignored, missed"),
        ("truth_area", "wide", "column truth_area holds string, not double"),
    ],
)
def test_a_value_that_no_detector_writes_is_named_with_column_and_row(run, tmp_path, column, value, words):
    _, _, path, _ = run
    table = pq.read_table(path)
    values = table[column].to_pylist()
    row = next(number for number, found in enumerate(table["outcome"].to_pylist()) if found == "matched")
    kind = table.schema.field(column).type
    if isinstance(value, str) and column != "outcome":
        values, kind = [value] * len(values), pa.string()
    else:
        values[row] = value
    place = table.column_names.index(column)
    changed = table.set_column(place, column, pa.array(values, from_pandas=False).cast(kind))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), tmp_path / "bad.parquet")
    with pytest.raises(UserError, match=f"column {column}") as caught:
        read_records(tmp_path / "bad.parquet")
    assert words in str(caught.value)
    assert "holds" in words or f"row {row}: " in str(caught.value)


@pytest.mark.parametrize(
    ("outcome", "column", "words"),
    [
        ("missed", "truth_y2", "None is not what a true object has"),
        ("ignored", "truth_id", "None is not what a true object has"),
        ("ignored", "truth_x1", "None is not what a true object has"),
        ("unmatched", "score", "None is not what a detection has"),
        ("unmatched", "box_y2", "None is not what a detection has"),
    ],
)
def test_an_outcome_says_what_its_rows_must_have(run, tmp_path, outcome, column, words):
    _, _, path, _ = run
    table = pq.read_table(path)
    row = table["outcome"].to_pylist().index(outcome)
    values = table[column].to_pylist()
    values[row] = None
    place = table.column_names.index(column)
    changed = table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(changed, tmp_path / "bad.parquet")
    with pytest.raises(UserError, match=f"column {column}, row {row}: {words}"):
        read_records(tmp_path / "bad.parquet", ["outcome", column])


@pytest.mark.parametrize("column", ["box_x1", "truth_x1"])
def test_boxes_are_there_also_where_no_outcome_was_read(run, tmp_path, column):
    """As for AP, which asks for no outcome."""
    _, _, path, _ = run
    table = pq.read_table(path)
    place, field = table.column_names.index(column), table.schema.field(column)
    changed = table.set_column(place, field, pa.nulls(len(table), field.type))
    pq.write_table(changed, tmp_path / "bad.parquet")
    with pytest.raises(UserError, match=f"column {column}"):
        coco_of_records(tmp_path / "bad.parquet")


def test_numbers_that_no_head_has_are_refused(run, tmp_path):
    _, _, path, _ = run
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"obcn.records"]) | {"coordinates": ["p", "q", "r", "s"]}
    pq.write_table(table.replace_schema_metadata({b"obcn.records": json.dumps(told).encode()}), tmp_path / "o.parquet")
    with pytest.raises(UserError, match="another version"):
        read_info(tmp_path / "o.parquet")
    for code in (OffsetCode(), SideCode(), SideCode("side", 8.0)):
        told["coordinates"] = [one.key for one in code.coordinates]
        assert RecordInfo.model_validate_json(json.dumps(told)).coordinates == tuple(told["coordinates"])


def test_annotations_and_records_allow_photos_of_the_same_size():
    assert checks._LONGEST_SIDE == MAX_SIDE
