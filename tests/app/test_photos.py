import io
import json

import pytest
from PIL import Image

from app.photos import read_sample, read_upload
from obcn.errors import UserError
from tests.app.helpers import photo_bytes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "BMP"])
def test_uploads_of_every_kind_are_read(kind) -> None:
    photo = read_upload(f"photo.{kind.lower()}", photo_bytes(kind))
    assert photo.image.size == (200, 150)
    assert photo.image.mode == "RGB"
    assert photo.truth is None


def test_an_upload_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    assert read_upload("phone.jpg", buffer.getvalue()).image.size == (20, 40)


@pytest.mark.parametrize("data", [b"", b"this is no photo", photo_bytes()[:300]])
def test_what_cannot_be_read_is_named(data) -> None:
    with pytest.raises(UserError, match=r"broken\.jpg"):
        read_upload("broken.jpg", data)


def test_the_same_bytes_are_the_same_photo_and_others_are_not() -> None:
    one, other = read_upload("a.jpg", photo_bytes()), read_upload("b.jpg", photo_bytes(width=100))
    assert one is read_upload("a.jpg", photo_bytes())
    assert one.digest != other.digest


def test_a_sample_brings_its_truth(tmp_path) -> None:
    (tmp_path / "pets.jpg").write_bytes(photo_bytes())
    (tmp_path / "unlabelled.jpg").write_bytes(photo_bytes(width=120))
    truth = {
        "images": [{"id": 7, "file_name": "pets.jpg", "width": 200, "height": 150}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]}],
        "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    photo = read_sample(tmp_path / "pets.jpg")
    assert photo.truth.names == ("dog",)
    assert photo.truth.boxes.tolist() == [[10, 20, 40, 60]]
    assert read_sample(tmp_path / "unlabelled.jpg").truth is None
