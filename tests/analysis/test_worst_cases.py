import numpy as np
import pytest
from PIL import Image, ImageColor

from analysis.worst_cases import head_to_head, worst_cases
from obcn.errors import UserError
from obcn.figures.contact_sheet import Tile, contact_sheet
from obcn.figures.lines import model_lines
from obcn.figures.palette import LIGHT
from tests.synthetic_records import write_scene

CAT, DOG, MISSED = (0, 0, 40, 40), (60, 60, 100, 100), (120, 120, 160, 160)


@pytest.fixture
def pair(tmp_path):
    """First: the cat at IoU 0.5, the dog exactly. Second: the cat exactly, the dog only nearly, at IoU 1/3."""
    first = [
        {"photo": 1, "truth": CAT, "id": 1, "box": (0, 0, 40, 20), "score": 0.9},
        {"photo": 1, "category": 2, "truth": DOG, "id": 2, "box": DOG, "score": 0.8},
        {"photo": 2, "truth": MISSED, "id": 3},
        {"photo": 2, "truth": MISSED, "id": 4, "difficult": True},
    ]
    second = [
        {"photo": 1, "truth": CAT, "id": 1, "box": CAT, "score": 0.9},
        {"photo": 1, "category": 2, "truth": DOG, "id": 2},
        {"photo": 1, "category": 2, "box": (80, 60, 120, 100), "score": 0.7},
        {"photo": 1, "category": 1, "box": (70, 60, 110, 100), "score": 0.7},
        {"photo": 2, "truth": MISSED, "id": 3},
        {"photo": 2, "truth": MISSED, "id": 4, "difficult": True},
    ]
    for number in (1, 2):
        Image.new("RGB", (200, 200), "#808080").save(tmp_path / f"{number}.png")
    return (
        write_scene(tmp_path / "a.parquet", first, 2, "one"),
        write_scene(tmp_path / "b.parquet", second, 2, "two"),
        tmp_path,
    )


def test_every_counted_object_is_compared_once(pair):
    first, second, _ = pair
    table = head_to_head(first, second)
    assert table.truth_id.tolist() == [1, 3, 2]
    np.testing.assert_allclose(table.iou_first, [0.5, 0, 1], atol=1e-6)
    # The cat's box on the dog is another class's and counts for nothing.
    np.testing.assert_allclose(table.iou_second, [1, 0, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(table.gain, [0.5, 0, -2 / 3], atol=1e-6)
    assert table.second_x1.tolist()[::2] == [0, 80]
    assert np.isnan(table.second_x1[1])
    assert np.isnan(table.score_first[1])


def test_each_head_has_a_sheet_of_its_wins(pair):
    table, figure, sheets = worst_cases(*pair)
    assert list(sheets) == ["one", "two"]
    assert len(table) == 3
    assert [len(trace.x) for trace in figure.data[1:]] == [1, 1]
    assert "two is better (1 of 3 objects)" in {trace.name for trace in figure.data}
    colours = {colour for _, colour in sheets["two"].crop((0, 76, 330, 376)).getcolors(1 << 20)}
    lines = model_lines(["one", "two"], LIGHT)
    for line in (LIGHT.lines["truth"], lines["one"]):
        assert ImageColor.getrgb(line.colour) in colours


def test_files_of_other_photos_are_refused(pair):
    first, _, folder = pair
    other = write_scene(folder / "c.parquet", [{"photo": 9, "truth": CAT, "id": 77}], 1)
    with pytest.raises(UserError, match="true objects differ"):
        head_to_head(first, other)


def test_one_file_twice_is_refused(pair):
    first, _, folder = pair
    for again in (first, folder / ".." / folder.name / first.name):
        with pytest.raises(UserError, match=r"a\.parquet is given twice; name the record files of two heads"):
            worst_cases(first, again, folder)


def test_a_missing_photo_is_named(pair):
    first, second, folder = pair
    (folder / "1.png").unlink()
    with pytest.raises(UserError, match=r"1\.png: no such file"):
        worst_cases(first, second, folder)


def test_a_sheet_without_tiles_says_so():
    empty = contact_sheet("none", [], [], LIGHT)
    assert empty.width > 1000
    assert len(empty.crop((0, 76, 400, 130)).getcolors()) > 1


def test_boxes_stand_where_they_are(tmp_path):
    """A box of 80 px fills 240 of the tile's 300 px, since a quarter is added around it."""
    photo = Image.new("RGB", (100, 100), "black")
    tile = Tile(photo, [(LIGHT.lines["expectation"], (10, 10, 90, 90))], ("a", "b"))
    sheet = np.array(contact_sheet("t", [], [tile], LIGHT))[76:376, 14:314]
    line = (sheet == ImageColor.getrgb(LIGHT.lines["expectation"].colour)).all(axis=2)
    columns = np.flatnonzero(line.any(axis=0))
    assert columns[0] == pytest.approx(30, abs=2)
    assert columns[-1] == pytest.approx(270, abs=2)


def test_a_long_name_cuts_no_number_off(pair, monkeypatch):
    first, second, folder = pair
    drawn = []
    monkeypatch.setattr("analysis.worst_cases.contact_sheet", lambda title, legend, tiles, palette: drawn.extend(tiles))
    worst_cases(first, second, folder)
    assert [list(tile.captions) for tile in drawn] == [
        ["dog, 1.png", "IoU 1.00: one", "IoU 0.33: two"],
        ["cat, 1.png", "IoU 1.00: two", "IoU 0.50: one"],
    ]


def test_a_sheet_has_a_line_for_each_caption():
    photo = Image.new("RGB", (100, 100), "black")
    tiles = [Tile(photo, [(LIGHT.lines["truth"], (10, 10, 90, 90))], ("a",) * count) for count in (1, 3)]
    one, three = (contact_sheet("t", [], [tile], LIGHT).height for tile in tiles)
    assert three == one + 2 * 19
