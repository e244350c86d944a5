"""Which objects Explore shows, and in which order, on record files made by hand."""

import numpy as np
import pytest

from app.explore.table import (
    Collection,
    Filters,
    false_alarms,
    keep,
    measured,
    measures_of,
    objects_of_data,
    per_photo,
    photos_of_data,
    photos_of_records,
    sorts_for,
)
from obcn.data import Annotations
from obcn.errors import UserError
from obcn.records.files import read_info, read_records
from obcn.records.schema import each
from obcn.tables.pairs import head_objects, pair_heads
from tests.synthetic_records import write_scene

CAT, DOG, FAR = (0, 0, 40, 40), (60, 60, 180, 180), (150, 0, 170, 20)


def entropies(*values: float) -> dict[str, float]:
    return dict(zip(each("stage1_entropy"), map(float, values), strict=True))


@pytest.fixture
def files(tmp_path):
    """Regression fits the dog better, bins the cat; neither finds the far cat; photo 3 has false alarms only."""
    regression = [
        {"photo": 1, "truth": CAT, "id": 7, "box": (0, 0, 40, 20), "score": 0.9},
        {"photo": 1, "truth": DOG, "id": 3, "category": 2, "box": DOG, "score": 0.8},
        {"photo": 2, "truth": FAR, "id": 9},
        {"photo": 3, "box": CAT, "score": 0.7},
        {"photo": 3, "box": DOG, "score": 0.3},
    ]
    wide = (60, 60, 180, 150)
    bins = [
        {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.6, "columns": entropies(1, 1, 2, 2)},
        {
            "photo": 1,
            "truth": DOG,
            "id": 3,
            "category": 2,
            "box": wide,
            "score": 0.95,
            "columns": entropies(3, 3, 3, 3),
        },
        {"photo": 2, "truth": FAR, "id": 9},
        {"photo": 2, "truth": CAT, "id": 11, "difficult": True},
    ]
    one = write_scene(tmp_path / "r.parquet", regression, 3, "regression")
    two = write_scene(tmp_path / "b.parquet", bins, 3, "bins", num_stages=1)
    return one, two


@pytest.fixture
def pair(files):
    one, two = (head_objects(path, read_info(path)) for path in files)
    return Collection.of(pair_heads(two, one), photos_of_records(files))


def shown(collection, filters=None, sort="where it wins", measure=None) -> list[int]:
    order = collection.order(sort)
    kept = keep(collection.objects, filters or Filters(), measure)
    return collection.objects.truth_id.to_numpy()[order[kept[order]]].tolist()


def test_each_counted_object_has_both_heads_ious(pair):
    table = pair.objects.set_index("truth_id")
    assert sorted(table.index) == [3, 7, 9]
    np.testing.assert_allclose(table.loc[[7, 3, 9], "head_iou"], [1, 0.75, 0], atol=1e-6)
    np.testing.assert_allclose(table.loc[[7, 3, 9], "gain"], [0.5, -0.25, 0], atol=1e-6)
    assert table.loc[7, "entropy"] == pytest.approx(1.5)
    assert np.isnan(table.loc[9, "head_box_x1"])
    assert table["size"].astype(str).to_dict() == {3: "large", 7: "medium", 9: "small"}


def test_orders(pair):
    assert shown(pair) == [7, 9, 3]
    assert shown(pair, sort="where it loses") == [3, 9, 7]
    # The far cat has no entropy: it comes last in either direction.
    assert shown(pair, sort="least certain") == [3, 7, 9]
    assert shown(pair, sort="most certain") == [7, 3, 9]
    assert shown(pair, sort="smallest") == [9, 7, 3]


def test_one_head_alone_cannot_win(files):
    path = files[0]
    alone = pair_heads(head_objects(path, read_info(path)), None)
    assert "gain" not in alone
    sorts = sorts_for(alone)
    assert "where it wins" not in sorts
    assert "least certain" not in sorts, "regression has no entropy"
    assert "lowest IoU" in sorts


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters(classes=("cat",)), [7, 9]),
        (Filters(sizes=("medium", "large")), [7, 3]),
        (Filters(classes=("cat",), sizes=("large",)), []),
        (Filters(gain=(0.1, 1)), [7]),
        (Filters(gain=(-1, -0.2)), [3]),
        (Filters(score=(0.9, 1)), [3]),
        (Filters(score=(0, 0.6)), [7, 9]),
        (Filters(entropy=(2, 9)), [3]),
    ],
)
def test_filters(pair, filters, wanted):
    assert shown(pair, filters) == wanted
    assert filters.narrow


def test_a_measure_is_looked_up_in_the_file_and_its_upper_end_is_open(pair, files):
    column = measures_of(read_info(files[1]))["stage 1, entropy in w"]
    values = read_records(files[1], [column]).column(column).to_numpy()
    measure = measured(pair.objects, values, column)
    assert shown(pair, Filters(measure=(2, 3)), measure=measure) == [7]
    assert shown(pair, Filters(measure=(2, None)), measure=measure) == [7, 3]
    # What nothing matched has no measure.
    assert shown(pair, Filters(measure=(None, None)), measure=measure) == [7, 3]
    iou = measured(pair.objects, np.empty(0), "iou")
    assert shown(pair, Filters(measure=(None, 0.5)), measure=iou) == [9]


def test_photos_count_the_objects_that_pass(pair):
    kept = keep(pair.objects, Filters(classes=("cat",)))
    photos = per_photo(pair, kept).set_index("file_name")
    assert photos["count"].to_dict() == {"1.png": 1, "2.png": 1, "3.png": 0}
    assert photos.loc["1.png", "gain"] == pytest.approx(0.5)
    assert np.isnan(photos.loc["3.png", "gain"])


def test_a_photos_mean_is_of_the_objects_that_have_a_value(tmp_path):
    rows = [
        {"photo": 1, "truth": CAT, "id": 1, "box": CAT, "score": 0.6},
        {"photo": 1, "truth": DOG, "id": 2, "category": 2},
    ]
    path = write_scene(tmp_path / "r.parquet", rows, 1)
    collection = Collection.of(pair_heads(head_objects(path, read_info(path)), None), photos_of_records([path]))
    photo = per_photo(collection, np.ones(2, dtype=bool)).iloc[0]
    assert (photo["count"], photo.iou, photo.score) == (2, 0.5, pytest.approx(0.6))
    assert np.isnan(photo.entropy)


def test_false_alarms_are_those_that_would_be_reported(files):
    alarms = false_alarms(files[0])
    assert alarms.score.tolist() == [pytest.approx(0.7)]
    assert alarms.file_name.tolist() == ["3.png"]


def test_only_objects_of_both_files_are_paired(tmp_path, files):
    rows = [
        {"photo": 1, "truth": CAT, "id": 7, "box": CAT, "score": 0.9},
        # The same id in another photo is another object.
        {"photo": 2, "truth": DOG, "id": 3, "category": 2},
    ]
    other = write_scene(tmp_path / "o.parquet", rows, 2, "other")
    one, two = (head_objects(path, read_info(path)) for path in (files[0], other))
    assert pair_heads(one, two).truth_id.tolist() == [7]


def test_files_of_other_data_are_refused(tmp_path, files):
    other = write_scene(tmp_path / "o.parquet", [{"photo": 9, "truth": CAT, "id": 7}], 1)
    with pytest.raises(UserError, match="share no object"):
        pair_heads(*(head_objects(path, read_info(path)) for path in (files[0], other)))


def test_a_data_set_alone_has_its_counted_objects_and_all_photos(tmp_path):
    annotations = Annotations(
        tmp_path,
        {
            "images": [{"id": k, "file_name": f"{k}.jpg", "width": 200, "height": 150} for k in (2, 1)],
            "annotations": [
                {"id": 5, "image_id": 2, "category_id": 4, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0},
                {"id": 6, "image_id": 2, "category_id": 4, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 1},
            ],
            "categories": [{"id": 4, "name": "dog"}],
        },
    )
    collection = Collection.of(objects_of_data(annotations), photos_of_data(annotations))
    assert collection.objects.truth_id.tolist() == [5]
    assert collection.objects[each("truth", ("x1", "y1", "x2", "y2"))].to_numpy().tolist() == [[10, 20, 40, 60]]
    assert collection.photos.file_name.tolist() == ["1.jpg", "2.jpg"]
    assert per_photo(collection, np.ones(1, dtype=bool))["count"].tolist() == [0, 1]
    assert sorts_for(collection.objects) == ["file name", "largest", "smallest"]
