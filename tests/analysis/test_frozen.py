"""Frozen-trunk studies on the sample photos: real features, real heads, a schedule of seconds."""

import json

import pytest
import torch

from analysis.frozen.features import frozen_features
from analysis.frozen.runner import Workplace, run_study, trunk_name
from analysis.frozen.scoring import score_side_by_side
from analysis.frozen.study import head_settings, run_id
from analysis.frozen.training import train_side_by_side
from obcn.data import Annotations
from obcn.engine.evaluate import evaluate
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.detector import Detector
from obcn.studies.study import Row, Study
from tests.analysis.heads import BINS, REGRESSION, new_run, protocol, weights


@pytest.mark.slow
def test_the_trained_head_scores_on_kept_features_as_it_does_on_photos(detector, samples, features) -> None:
    (found,) = score_side_by_side([detector.roi_heads], [{"own": detector.codec}], features)
    direct = evaluate(detector, samples)
    assert direct["AP"] > 20, "or there is nothing to compare"
    # Kept features are half precision, and photos of one shape only are never padded.
    assert found["own"]["AP50"] == pytest.approx(direct["AP50"], abs=1.5)
    assert found["own"]["AP"] == pytest.approx(direct["AP"], abs=1.5)


@pytest.mark.slow
def test_features_that_a_stop_cut_short_are_completed(tmp_path, detector, samples, features) -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frozen_features(detector, "trunk", samples, tmp_path, stop)
    (numbers,) = tmp_path.glob("*.f16")
    with numbers.open("ab") as half_written:
        half_written.write(b"a photo that was cut short")
    (log,) = tmp_path.glob("*.jsonl")
    with log.open("a") as half_written:
        half_written.write('{"end": 12')
    completed = frozen_features(detector, "trunk", samples, tmp_path)
    assert completed.index == features.index
    assert (completed.numbers == features.numbers).all()


def test_a_head_learns_the_same_alone_and_beside_another(tmp_path, detector, features) -> None:
    alone = new_run(BINS, tmp_path / "alone", detector)
    train_side_by_side([alone], features, seed=0)
    other, beside = new_run(REGRESSION, tmp_path / "other", detector), new_run(BINS, tmp_path / "beside", detector)
    before = weights(beside)
    train_side_by_side([other, beside], features, seed=0)
    assert torch.equal(weights(alone), weights(beside))
    assert not torch.equal(before, weights(beside))


def test_a_stopped_head_goes_on_after_its_last_epoch(tmp_path, detector, features) -> None:
    whole = new_run(BINS, tmp_path / "whole", detector)
    train_side_by_side([whole], features, seed=0)
    steps_per_epoch, steps = whole.progress.step // 2, 0

    def stop_in_the_second_epoch() -> None:
        nonlocal steps
        steps += 1
        if steps == steps_per_epoch + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_side_by_side([new_run(BINS, tmp_path / "cut", detector)], features, 0, stop_in_the_second_epoch)
    resumed = new_run(BINS, tmp_path / "cut", detector)
    assert resumed.progress.step == steps_per_epoch
    train_side_by_side([resumed], features, seed=0)
    assert torch.equal(weights(whole), weights(resumed))


def test_separate_branches_keep_the_box_loss_away_from_the_class_scores(tmp_path, detector, features) -> None:
    scores = []
    for weight in (1.0, 5.0):
        run = new_run(
            {**BINS, "branches": "separate", "box_loss_weight": weight}, tmp_path / str(weight), detector, epochs=1
        )
        train_side_by_side([run], features, seed=0)
        scores.append((run.head.box_head.classes.class_scores.weight, run.head.box_head.boxes.offset_outputs.weight))
    assert torch.equal(scores[0][0], scores[1][0])
    assert not torch.equal(scores[0][1], scores[1][1])


def test_a_cascade_trains_beside_single_heads(tmp_path, detector, features) -> None:
    cascade = new_run({**BINS, "foreground_iou": [0.5, 0.7]}, tmp_path / "cascade", detector, epochs=1)
    single = new_run(BINS, tmp_path / "single", detector, epochs=1)
    before = weights(cascade)
    train_side_by_side([cascade, single], features, seed=0)
    assert not torch.equal(before, weights(cascade))
    alone = new_run({**BINS, "foreground_iou": [0.5, 0.7]}, tmp_path / "alone", detector, epochs=1)
    train_side_by_side([alone], features, seed=0)
    assert torch.equal(weights(alone), weights(cascade))


@pytest.mark.slow
def test_a_cascade_is_judged_as_the_detector_that_holds_it(detector, samples, features) -> None:
    """Mutant: a cascade among single heads is judged by one of its stages, or by another head's figures."""
    cascade = CascadeRoIHeads([detector.roi_heads] * 2)
    heads, codecs = [detector.roi_heads, cascade], [{"own": detector.codec}] * 2
    single, both = (found["own"] for found in score_side_by_side(heads, codecs, features))
    held = Detector(detector.backbone, detector.rpn, cascade, detector.transform, detector.classes)
    direct = evaluate(held.eval(), samples)
    assert direct["AP"] > 20, "or there is nothing to compare"
    assert both["AP"] == pytest.approx(direct["AP"], abs=1.5)
    assert abs(both["AP"] - single["AP"]) > 0.1, "or the two could be mixed up"


@pytest.mark.slow
def test_a_study_keeps_its_outcomes_and_trains_nothing_twice(tmp_path, samples, monkeypatch) -> None:
    rows = (
        Row(name="regression", head=REGRESSION),
        Row(name="mean", head=BINS),
        Row(name="mode", head=BINS, decode="argmax"),
    )
    study = Study(title="t", question="q", baseline="regression", rows=rows)
    place = Workplace(samples, samples, tmp_path)
    first = run_study(study, protocol(1), place)
    assert set(first.metrics) == {(row.name, seed) for row in rows for seed in (0, 1)}
    files = sorted((tmp_path / "outcomes").glob("*.json"))
    assert len(files) == 4, "two heads, two seeds; both readings of bins are one head"
    outcome = json.loads(files[0].read_text())
    assert outcome["trunk"] == trunk_name("regression")

    def trained(*given) -> None:
        raise AssertionError("trained once more")

    monkeypatch.setattr("analysis.frozen.runner.train_side_by_side", trained)
    assert run_study(study, protocol(1), place) == first
    # Other boxes on the same photos are other data.
    fewer = Annotations(samples.folder, samples.coco | {"annotations": samples.coco["annotations"][1:]})
    with pytest.raises(AssertionError, match="once more"):
        run_study(study, protocol(1), Workplace(samples, fewer, tmp_path))


def test_what_decides_an_outcome_is_in_its_name() -> None:
    common = protocol()

    def name(row: Row, **changes) -> str:
        settings = head_settings(row, common)
        given = {"settings": settings, "schedule": common.schedule, "trunk": "t", "data": "d", "seed": 0} | changes
        return run_id(**given)

    plain = name(Row(name="a", head=BINS))
    assert plain == name(Row(name="b", head=BINS, decode="argmax")), "reading is not training"
    assert plain != name(Row(name="a", head={**BINS, "box_loss_weight": 2.0}))
    assert plain != name(Row(name="a", head=BINS), seed=1)
    assert plain != name(Row(name="a", head=BINS), trunk="u")
    assert plain != name(Row(name="a", head=BINS), data="e")
    assert plain != name(Row(name="a", head=BINS), schedule=protocol(3).schedule)
