"""What all YAML files here may say, and the one line for what they may not."""

from pathlib import Path

import pytest
from pydantic import RootModel

from obcn.errors import UserError
from obcn.yaml_files import read_yaml

Anything = RootModel[dict]


def read(folder: Path, text: str) -> dict:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, Anything).root


def test_one_mapping_may_be_merged_into_another(tmp_path: Path):
    text = "train: &t {images: photos, split: train}\nval: {<<: *t, split: val}\n"
    assert read(tmp_path, text)["val"] == {"images": "photos", "split": "val"}


def test_a_mapping_that_overrides_what_it_merged_may_be_merged_itself(tmp_path: Path):
    """The last mapping is built first, for it lies least deep, and takes the middle one's merged keys with its own."""
    text = "a: &a {size: 1, side: 1}\ndeep: {er: {b: &b {<<: *a, size: 2}}}\nc: {<<: *b}\n"
    content = read(tmp_path, text)
    assert content["deep"]["er"]["b"] == content["c"] == {"size": 2, "side": 1}


def test_a_key_that_is_set_twice_beside_a_merge_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="'x' is set twice"):
        read(tmp_path, "a: &a {y: 1}\nb: {<<: *a, x: 1, x: 2}\n")
