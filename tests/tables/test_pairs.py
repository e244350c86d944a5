"""One table of pairs, in as few bytes as may be."""

import numpy as np
import pandas as pd

from obcn.records.files import read_info
from obcn.tables.pairs import compact, head_objects
from tests.synthetic_records import write_scene

ONE, OTHER = (0, 0, 40, 40), (60, 60, 180, 180)


def test_figures_become_narrow_and_ids_stay_exact() -> None:
    table = compact(pd.DataFrame({"truth_id": [2.0**24 + 1], "truth_area": [99.0**2], "truth_x1": [0.1]}))
    assert table.truth_id.item() == 2**24 + 1
    assert table.truth_x1.dtype == np.float32
    assert table["size"].item() == "large"


def test_an_object_stands_once_in_the_order_of_ids_with_its_row_of_the_file(tmp_path) -> None:
    rows = [
        {"photo": 1, "truth": OTHER, "id": 9, "box": OTHER, "score": 0.8},
        {"photo": 1, "truth": ONE, "id": 4},
        {"photo": 1, "box": (0, 0, 40, 30), "score": 0.3},
    ]
    write_scene(tmp_path / "a.parquet", rows, 1, "a")
    table = head_objects(tmp_path / "a.parquet", read_info(tmp_path / "a.parquet"))
    assert table.truth_id.tolist() == [4, 9]
    assert table.matched.tolist() == [False, True]
    np.testing.assert_allclose(table.iou, [0.75, 1.0])
    assert table.row.tolist() == [2, 0], "of what lies nearest to it, where nothing matched"
