"""What makes rows of a study comparable: equal starts, the same photos and candidates, and judging on other photos.

Each test names the mutant of the code that it is there to catch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest
import torch
from torch import Tensor, nn

from analysis.frozen import runner, training
from analysis.frozen.features import FeatureBatch, FrozenFeatures
from analysis.frozen.heads import HeadSettings, SeparateBranches, build_head
from analysis.frozen.runner import Workplace, run_study
from analysis.frozen.scoring import score_side_by_side
from analysis.frozen.training import train_side_by_side
from obcn.data import Annotations
from obcn.errors import UserError
from obcn.models.box_head import POOL_SIZE, BoxHead
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.roi_heads import OffsetRoIHeads
from obcn.studies.study import Row, Study
from tests.analysis.heads import BINS, COMMON, REGRESSION, new_run, protocol

CODECS = {
    "regression": REGRESSION,
    "bins": BINS,
    "two stages": {"offsets": {"codec": "bins", "num_stages": 2}},
    "dfl": {"offsets": {"codec": "dfl"}},
    "dfine": {"offsets": {"codec": "dfine"}},
    "distance_bins": {"offsets": {"codec": "distance_bins"}},
}
LAYOUTS = {
    "joint": {},
    "separate": {"branches": "separate"},
    "cascade": {"foreground_iou": [0.5, 0.7]},
}


def built(settings: dict, detector, seed: int = 0) -> OffsetRoIHeads | CascadeRoIHeads:
    return build_head(HeadSettings.model_validate({**COMMON, **settings}), detector, seed)


def start(settings: dict, detector, seed: int = 0) -> dict[str, Tensor]:
    """Every weight but the offset outputs', whose shape is the codec's."""
    state = built(settings, detector, seed).state_dict()
    return {name: value for name, value in state.items() if "offset_outputs" not in name}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("one", "other"), list(combinations(CODECS, 2)))
def test_codecs_of_one_seed_start_alike(detector, layout, one, other) -> None:
    """Mutant: the offset layer is drawn before the class scores, from the same stream of random numbers."""
    first, second = (start({**CODECS[name], **LAYOUTS[layout]}, detector) for name in (one, other))
    assert first.keys() == second.keys()
    assert any("class_scores" in name for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_seeds_start_differently(detector, layout) -> None:
    """Mutant: every seed draws the same start."""
    first, second = (start({**BINS, **LAYOUTS[layout]}, detector, seed) for seed in (0, 1))
    drawn = [name for name, value in first.items() if value.count_nonzero() > 0]
    assert drawn
    assert not any(torch.equal(first[name], second[name]) for name in drawn)


def test_branches_of_one_head_start_differently_and_the_class_branch_as_a_joint_head_does(detector) -> None:
    """Mutant: both branches are drawn from one seed."""
    joint, separate = built(BINS, detector), built({**BINS, "branches": "separate"}, detector)
    classes, boxes = separate.box_head.classes, separate.box_head.boxes
    assert not torch.equal(classes.shared.fc6.weight, boxes.shared.fc6.weight)
    assert not torch.equal(classes.class_scores.weight, boxes.class_scores.weight)
    assert torch.equal(classes.shared.fc6.weight, joint.box_head.shared.fc6.weight)
    assert torch.equal(classes.class_scores.weight, joint.box_head.class_scores.weight)


def test_a_separate_head_takes_class_scores_from_one_branch_and_offsets_from_the_other() -> None:
    """Mutant: class scores come from the box branch, or offsets from the class branch."""
    torch.manual_seed(0)
    classes, boxes = (BoxHead(2, 8, 3, 4, class_agnostic=True) for _ in range(2))
    for branch in (classes, boxes):
        nn.init.normal_(branch.offset_outputs.weight)
    pooled = torch.rand(5, 2, POOL_SIZE, POOL_SIZE)
    scores, outputs = SeparateBranches(classes, boxes)(pooled)
    assert torch.equal(scores, classes(pooled)[0])
    assert torch.equal(outputs, boxes(pooled)[1])
    assert not torch.allclose(scores, boxes(pooled)[0])
    assert not torch.allclose(outputs, classes(pooled)[1])


def test_heads_train_on_one_split_and_are_judged_on_the_other(tmp_path, samples, monkeypatch) -> None:
    """Mutant: judging reads the features of the training photos."""
    photos = samples.images
    train_set, val_set = (
        Annotations(samples.folder, samples.coco | {"images": part}) for part in (photos[:2], photos[2:5])
    )
    trained_on, judged_on = [], []

    def train(runs: Sequence, features: FrozenFeatures, *given) -> None:
        trained_on.append(features.annotations)

    def judge(heads: Sequence, readings: Sequence, features: FrozenFeatures, *given) -> list[dict]:
        judged_on.append(features.annotations)
        return [{name: {"AP": 1.0} for name in codecs} for codecs in readings]

    monkeypatch.setattr(runner, "train_side_by_side", train)
    monkeypatch.setattr(runner, "score_side_by_side", judge)
    study = Study(title="t", question="q", baseline="a", rows=(Row(name="a", head=BINS),))
    run_study(study, protocol(1), Workplace(train_set, val_set, tmp_path))
    assert trained_on == [train_set] * 2, "once per seed"
    assert judged_on == [val_set] * 2


@dataclass(frozen=True)
class WatchedFeatures(FrozenFeatures):
    """Features that remember which photos were asked for, batch by batch."""

    seen: list[list[int]] = field(default_factory=list)

    def batch(self, photos: Sequence[int]) -> FeatureBatch:
        self.seen.append(list(photos))
        return super().batch(photos)


def order_of_photos(features: FrozenFeatures, run: training.HeadRun, seed: int) -> list[list[int]]:
    """Per epoch, the photos in the order of training."""
    watched = WatchedFeatures(features.annotations, features.index, features.numbers)
    train_side_by_side([run], watched, seed)
    seen = [photo for batch in watched.seen for photo in batch]
    count = len(features)
    return [seen[first : first + count] for first in range(0, len(seen), count)]


def test_every_epoch_and_seed_has_an_order_of_photos_of_its_own(tmp_path, detector, features) -> None:
    """Mutant: one order of photos for every epoch, or for every seed."""
    orders = [
        order
        for seed in (0, 1)
        for order in order_of_photos(features, new_run(REGRESSION, tmp_path / str(seed), detector, seed=seed), seed)
    ]
    assert len(orders) == 4
    assert all(sorted(order) == list(range(len(features))) for order in orders)
    assert all(one != other for one, other in combinations(orders, 2))


def test_candidates_are_sampled_anew_for_every_seed_and_step(tmp_path, detector, features, monkeypatch) -> None:
    """Mutant: the seed of candidate sampling leaves out the run's seed, or the step."""
    monkeypatch.setattr(training, "batches_of_epoch", lambda *given: [[(0, 0)], [(0, 0)]])
    sampled: dict[str, list[Tensor]] = {}
    select = OffsetRoIHeads.select_training_samples

    def train(name: str, seed: int) -> None:
        sampled[name] = []

        def watch(head, proposals, targets):
            found = select(head, proposals, targets)
            sampled[name].append(found[0][0])
            return found

        monkeypatch.setattr(OffsetRoIHeads, "select_training_samples", watch)
        train_side_by_side([new_run(BINS, tmp_path / name, detector, epochs=1)], features, seed)

    train("first", seed=0)
    train("again", seed=0)
    train("other", seed=1)
    assert len(sampled["first"]) == 2, "two steps on the same photo"
    assert all(torch.equal(*pair) for pair in zip(sampled["first"], sampled["again"], strict=True))
    for one, other in combinations(sampled["first"] + sampled["other"], 2):
        assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "settings", [{"candidates_per_image": 8}, {"positive_fraction": 0.5}, {"foreground_iou": [0.6]}]
)
def test_heads_that_sample_differently_do_not_share_candidates(tmp_path, detector, features, settings) -> None:
    """Mutant: rows of other sampling settings train on the first row's candidates."""
    runs = [new_run(BINS, tmp_path / "a", detector), new_run({**BINS, **settings}, tmp_path / "b", detector)]
    with pytest.raises(UserError, match="sample differently"):
        train_side_by_side(runs, features, seed=0)


LATER_LOOKS = {
    "bins": {"codec": "bins", "num_stages": 2, "stage_features": "repooled", "ranges": [3.0, 0.6]},
    "regression": {"codec": "regression", "num_stages": 2},
}


@pytest.mark.parametrize("codec", LATER_LOOKS)
def test_a_second_look_leaves_the_first_as_it_is_alone(tmp_path, detector, features, codec) -> None:
    """Mutants: the second look's loss reaches the first, mutes its gradient by the clip, or it samples other boxes."""
    one = new_run({"offsets": {"codec": codec}}, tmp_path / "one", detector)
    two = new_run({"offsets": LATER_LOOKS[codec]}, tmp_path / "two", detector)
    for run in (one, two):
        run.schedule = run.schedule.model_copy(update={"clip_norm": 0.5})
    before = two.head.later_looks[0].offset_outputs.weight.clone()
    train_side_by_side([one, two], features, seed=0)
    first = two.head.box_head.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in one.head.box_head.state_dict().items())
    assert not torch.equal(before, two.head.later_looks[0].offset_outputs.weight)


def test_a_head_with_a_second_look_is_judged_by_both_or_by_the_first_alone(detector, features) -> None:
    """Mutant: judging leaves the second look out."""
    two = built({"offsets": LATER_LOOKS["regression"]}, detector)
    two.box_head = detector.roi_heads.box_head
    with torch.no_grad():
        two.later_looks[0].offset_outputs.bias.copy_(torch.tensor([0.0, 0.0, 3.0, 3.0]))  # nearly twice as large
    readings = {"first": two.codec.decoding(num_stages=1), "both": two.codec}
    found, alone = score_side_by_side([two, detector.roi_heads], [readings, {"own": detector.codec}], features)
    assert found["first"]["AP"] == pytest.approx(alone["own"]["AP"], abs=0.5)
    assert alone["own"]["AP"] > 20
    assert found["both"]["AP"] < found["first"]["AP"] / 2
