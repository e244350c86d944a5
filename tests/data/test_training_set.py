"""Training samples follow from (seed, epoch, number) alone, and flips move what they must."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from obcn.data import Annotations, TrainingSet, batches_of_epoch, collate
from obcn.data.dataset import mixed_seed

SIZES = [(40, 30), (30, 40), (40, 40), (50, 30), (30, 50), (20, 60), (60, 20)]


@pytest.fixture
def annotations(tmp_path: Path) -> Annotations:
    """Photos of several shapes; each has two objects and one crowd."""
    random = np.random.default_rng(0)
    images, boxes = [], []
    for number, (width, height) in enumerate(SIZES, start=1):
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        for bbox, crowd in (([1, 2, 10, 5], 0), ([4, 8, 7, 9], 0), ([2, 0, 6, 6], 1)):
            boxes.append({"image_id": number, "category_id": 1, "bbox": bbox, "iscrowd": crowd})
    return Annotations(tmp_path, {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "ant"}]})


def assert_same(first, second) -> None:
    assert torch.equal(first[0], second[0])
    assert first[1].keys() == second[1].keys()
    for name, value in first[1].items():
        assert torch.equal(value, second[1][name])


def test_sample_is_a_photo_between_zero_and_one_with_its_target(annotations):
    photo, target = TrainingSet(annotations, seed=0)[0, 0]
    assert type(photo) is torch.Tensor
    assert photo.shape == (3, 30, 40)
    assert photo.dtype == torch.float32
    assert 0 <= photo.min() < 0.1
    assert 0.9 < photo.max() <= 1
    assert {name: tuple(value.shape) for name, value in target.items()} == {
        "boxes": (2, 4),
        "labels": (2,),
        "ignored": (1, 4),
    }
    assert all(type(value) is torch.Tensor for value in target.values())


def test_sample_follows_from_seed_epoch_and_number(annotations):
    one, other = TrainingSet(annotations, seed=5), TrainingSet(annotations, seed=5)
    keys = [(epoch, number) for epoch in range(3) for number in range(len(SIZES))]
    torch.manual_seed(1)
    forwards = {key: one[key] for key in keys}
    torch.manual_seed(2)
    for key in reversed(keys):
        assert_same(forwards[key], other[key])


def test_asking_for_a_sample_leaves_the_global_random_state_alone(annotations):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    TrainingSet(annotations, seed=0)[0, 0]
    assert torch.equal(torch.rand(4), expected)


def test_flip_mirrors_photo_boxes_and_ignored_boxes_together(annotations):
    samples = TrainingSet(annotations, seed=0)
    plain = torch.from_numpy(np.array(Image.open(annotations.path(annotations.images[0])))).permute(2, 0, 1) / 255
    flipped, straight = 0, 0
    for epoch in range(20):
        photo, target = samples[epoch, 0]
        if torch.allclose(photo, plain):
            straight += 1
            assert target["boxes"].tolist() == [[1, 2, 11, 7], [4, 8, 11, 17]]
            assert target["ignored"].tolist() == [[2, 0, 8, 6]]
        else:
            flipped += 1
            torch.testing.assert_close(photo, plain.flip(-1))
            assert target["boxes"].tolist() == [[29, 2, 39, 7], [29, 8, 36, 17]]
            assert target["ignored"].tolist() == [[32, 0, 38, 6]]
    assert flipped >= 4
    assert straight >= 4


def test_flips_differ_between_seeds_epochs_and_photos(annotations):
    def flips(seed: int, epoch: int) -> tuple[float, ...]:
        return tuple(TrainingSet(annotations, seed)[epoch, n][1]["boxes"][0, 0].item() for n in range(len(SIZES)))

    assert len({flips(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert len(set(flips(0, 0))) > 1


def test_photo_without_objects(annotations):
    empty = Annotations(annotations.folder, annotations.coco | {"annotations": []})
    _, target = TrainingSet(empty, seed=0)[0, 1]
    assert target["boxes"].shape == target["ignored"].shape == (0, 4)
    assert target["labels"].shape == (0,)


def test_collate_keeps_photos_of_different_sizes_apart(annotations):
    samples = TrainingSet(annotations, seed=0)
    photos, targets = collate([samples[0, 0], samples[0, 1]])
    assert [tuple(photo.shape) for photo in photos] == [(3, 30, 40), (3, 40, 30)]
    assert len(targets) == 2


def many(count: int) -> Annotations:
    """Records only; a third of them upright."""
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 40, "height": 60 if k % 3 == 0 else 30} for k in range(count)]
    return Annotations(Path(), {"images": images, "annotations": [], "categories": []})


@pytest.mark.parametrize("count", [1, 3, 4, 7, 50, 101])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_epoch_covers_each_photo_once_in_a_constant_number_of_batches(count, batch_size):
    for epoch in range(3):
        batches = batches_of_epoch(many(count), batch_size, seed=0, epoch=epoch)
        keys = [key for batch in batches for key in batch]
        assert sorted(keys) == [(epoch, number) for number in range(count)]
        assert len(batches) == -(-count // batch_size)
        assert all(batches)
        assert max(map(len, batches)) <= batch_size


def test_batches_hold_one_orientation_but_for_the_leftovers():
    annotations = many(101)
    upright = [image["height"] > image["width"] for image in annotations.images]
    batches = batches_of_epoch(annotations, 4, seed=0, epoch=0)
    mixed = [batch for batch in batches if len({upright[number] for _, number in batch}) > 1]
    assert len(mixed) <= 1


def test_order_follows_from_seed_and_epoch():
    annotations = many(50)
    orders = {
        (seed, epoch): [number for batch in batches_of_epoch(annotations, 4, seed, epoch) for _, number in batch]
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    again = [number for batch in batches_of_epoch(annotations, 4, 1, 1) for _, number in batch]
    assert again == orders[1, 1]
    assert len({tuple(order) for order in orders.values()}) == 4


def test_mixed_seeds_of_close_numbers_are_unrelated():
    seeds = [mixed_seed(a, b) for a in range(10) for b in range(10)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mixed_seed(1, 23) != mixed_seed(12, 3)


def test_crops_keep_the_objects_that_are_in_them_and_their_classes(annotations):
    boxes = [box | {"iscrowd": 0, "category_id": 1 + (box["bbox"][0] == 4)} for box in annotations.coco["annotations"]]
    categories = [{"id": 1, "name": "ant"}, {"id": 2, "name": "bee"}]
    annotations = Annotations(annotations.folder, annotations.coco | {"annotations": boxes, "categories": categories})
    plain, cropping = TrainingSet(annotations, seed=0), TrainingSet(annotations, seed=0, crop=1.0)
    cropped = 0
    for epoch in range(12):
        for number in range(len(SIZES)):
            whole, whole_target = plain[epoch, number]
            photo, target = cropping[epoch, number]
            height, width = photo.shape[1:]
            assert 1 <= len(target["boxes"]) == len(target["labels"]) <= len(whole_target["boxes"])
            assert (target["boxes"][:, :2] >= 0).all()
            assert (target["boxes"][:, 2:] <= torch.tensor([width, height])).all()
            assert set(target["labels"].tolist()) <= set(whole_target["labels"].tolist())
            if photo.shape != whole.shape:
                cropped += 1
                assert _inside(photo, whole) or _inside(photo, whole.flip(-1))
    assert cropped > 20


def _inside(part, whole) -> bool:
    windows = whole.unfold(1, part.shape[1], 1).unfold(2, part.shape[2], 1)
    return bool((windows == part[:, None, None]).all(0).flatten(2).all(2).any())


def test_a_photo_with_a_crowd_stays_whole(annotations):
    cropping = TrainingSet(annotations, seed=0, crop=1.0)
    for number, (width, height) in enumerate(SIZES):
        assert cropping[0, number][0].shape == (3, height, width)


def test_colours_change_as_often_as_asked_and_boxes_never(annotations):
    plain, recolouring = TrainingSet(annotations, seed=0), TrainingSet(annotations, seed=0, recolour=0.5)
    changed = 0
    for epoch in range(20):
        whole, target = plain[epoch, 0]
        photo, same_target = recolouring[epoch, 0]
        assert torch.equal(target["labels"], same_target["labels"])
        unflipped = {tuple(box) for box in target["boxes"].tolist()}
        mirrored = {(40 - x2, y1, 40 - x1, y2) for x1, y1, x2, y2 in unflipped}
        assert {tuple(box) for box in same_target["boxes"].tolist()} in (unflipped, mirrored)
        changed += not (torch.equal(photo, whole) or torch.equal(photo, whole.flip(-1)))
    assert 4 <= changed <= 16
