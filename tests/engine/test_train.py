"""What a training run writes, refuses, leaves alone and changes."""

import dataclasses
import json
import math
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import obcn.engine.train as engine
from obcn.checkpoints import Card, load_checkpoint, read_card
from obcn.config import DetectorConfig, ScheduleConfig, load_config
from obcn.data import Annotations
from obcn.data.coco import read_coco
from obcn.engine.schedule import full_rate_steps, learning_rate, warmup_steps
from obcn.engine.train import TrainingOptions, train
from obcn.errors import UserError
from obcn.models import build_detector


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> TrainingOptions:
    return TrainingOptions(tmp_path_factory.mktemp("runs") / "finished", "tiny", epochs=4, validate_every=3)


@pytest.fixture(scope="module")
def finished(folder: Path, config: DetectorConfig, options: TrainingOptions) -> Card:
    """24 steps; validated after epochs 3 and 4."""
    return train(config, read_coco(folder, folder / "train.json"), read_coco(folder, folder / "val.json"), options)


def with_changes(config: DetectorConfig, part: str, **changes: object) -> DetectorConfig:
    return config.model_copy(update={part: getattr(config, part).model_copy(update=changes)})


def scalars(output: Path) -> dict[str, list[int]]:
    """TensorBoard's curves: name to the steps that have a point."""
    curves = EventAccumulator(str(output)).Reload()
    return {name: [point.step for point in curves.Scalars(name)] for name in curves.Tags()["scalars"]}


class TestOutput:
    @pytest.mark.slow
    def test_card_says_how_it_was_trained(self, finished, config):
        assert finished.name == "tiny"
        assert finished.classes == ("red", "blue")
        assert finished.config == config
        training = finished.training
        assert (training.data, training.train_images, training.epochs, training.seed) == ("tiny", 12, 4, 0)
        assert training.device == "cpu"
        assert training.torch == torch.__version__
        assert training.started_from is None
        assert not training.frozen_trunk
        assert finished.evaluation.images == 3
        assert finished.evaluation.data == "tiny (val)"

    def test_last_and_best_load_and_carry_their_cards(self, finished, options):
        detector, card = load_checkpoint(str(options.output / "last.safetensors"))
        assert card == finished
        assert detector.classes == ("red", "blue")
        best = read_card(options.output / "best.safetensors")
        aps = [line["AP"] for line in self.lines(options.output)]
        assert best.evaluation.metrics["AP"] == max(aps)
        assert best.training.epochs == (3, 4)[aps.index(max(aps))]

    def test_metrics_file_has_a_line_per_validation(self, finished, options):
        lines = self.lines(options.output)
        assert [line["epoch"] for line in lines] == [3, 4]
        measured = {name: value for name, value in lines[1].items() if name not in ("epoch", "minutes")}
        assert measured == finished.evaluation.metrics
        assert {"AP", "AP50", "AP:red", "AP:blue"} <= measured.keys()
        # The photos hold no large object: JSON has no word for its figure.
        assert "APl" not in measured

    def test_curves(self, finished, options):
        steps = scalars(options.output)
        assert steps["val/AP"] == steps["val/AP/red"] == [18, 24]
        for name in ("loss", "loss_classifier", "loss_box", "loss_objectness", "loss_rpn_box_reg", "lr"):
            assert steps[f"train/{name}"] == [20]

    def test_no_half_written_file_is_left(self, finished, options):
        assert not list(options.output.glob("*.tmp"))

    @staticmethod
    def lines(output: Path) -> list[dict]:
        return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


class TestRefusals:
    def test_output_that_holds_a_run(self, finished, config, train_set, val_set, options):
        with pytest.raises(UserError, match="finished holds a run; give --resume"):
            train(config, train_set, val_set, options)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"seed": 1}, "--seed is 1, was 0;"),
            ({"freeze_trunk": True}, "--freeze-trunk is True, was False;"),
            ({"init": "obcn"}, "--init is obcn, was not set;"),
            ({"epochs": 3}, "a run of 4 epochs: --epochs 3 cannot shorten it"),
        ],
    )
    def test_resume_with_other_options(self, finished, config, train_set, val_set, options, change, words):
        with pytest.raises(UserError, match=words):
            train(config, train_set, val_set, dataclasses.replace(options, resume=True, **change))

    def test_resume_with_another_config(self, finished, config, train_set, val_set, options):
        other = with_changes(with_changes(config, "schedule", lr=0.03), "box_head", hidden=65)
        words = r"other settings: box_head\.hidden is 65, was 64; schedule\.lr is 0\.03, was 0\.02; choose another"
        with pytest.raises(UserError, match=words):
            train(other, train_set, val_set, dataclasses.replace(options, resume=True))

    def test_resume_with_other_data(self, finished, config, train_set, val_set, options):
        with pytest.raises(UserError, match="other settings: the training data has other photos or boxes; choose"):
            train(config, val_set, val_set, dataclasses.replace(options, resume=True))
        with pytest.raises(UserError, match="other settings: the validation data has other photos or boxes; choose"):
            train(config, train_set, train_set, dataclasses.replace(options, resume=True))

    def test_resume_of_nothing(self, config, train_set, val_set, tmp_path):
        with pytest.raises(UserError, match="nowhere: no such run to resume"):
            train(config, train_set, val_set, TrainingOptions(tmp_path / "nowhere", "tiny", resume=True))
        assert not (tmp_path / "nowhere").exists()

    @pytest.mark.parametrize("refused", [{"init": "nobody"}, {"freeze_trunk": True}])
    def test_a_refused_run_leaves_no_folder(self, config, train_set, val_set, tmp_path, refused):
        (tmp_path / "mine").mkdir()
        for output in (tmp_path / "runs" / "new", tmp_path / "mine"):
            with pytest.raises(UserError):
                train(config, train_set, val_set, TrainingOptions(output, "tiny", **refused))
        assert [file.name for file in tmp_path.iterdir()] == ["mine"], "a folder that was there stays"

    def test_damaged_state_names_the_last_good_checkpoint(self, config, train_set, val_set, tmp_path):
        resumed = TrainingOptions(tmp_path, "tiny", resume=True)
        (tmp_path / "state.safetensors").write_bytes(b"no state")
        with pytest.raises(UserError, match=r"state\.safetensors is not a training state .*; no epoch was whole yet"):
            train(config, train_set, val_set, resumed)
        (tmp_path / "last.safetensors").write_bytes(b"")
        with pytest.raises(UserError, match=r"last good checkpoint is (\S*last\.safetensors): .* with --init \1 and"):
            train(config, train_set, val_set, resumed)
        (tmp_path / "state.safetensors").unlink()
        (tmp_path / "state.safetensors").mkdir()
        with pytest.raises(UserError, match=r"state\.safetensors is not a training state"):
            train(config, train_set, val_set, resumed)

    def test_a_trunk_that_was_never_trained_is_not_frozen(self, config, train_set, val_set, tmp_path):
        with pytest.raises(UserError, match="give --init a checkpoint"):
            train(config, train_set, val_set, TrainingOptions(tmp_path, "tiny", freeze_trunk=True))

    def test_a_photo_of_another_size_than_its_record(self, config, train_set, val_set, tmp_path):
        turned = [image | {"width": image["width"] + 1} for image in train_set.images]
        other = Annotations(train_set.folder, train_set.coco | {"images": turned})
        with pytest.raises(UserError, match="but its record says"):
            train(config, other, val_set, TrainingOptions(tmp_path, "tiny"))

    def test_output_that_is_a_file(self, config, train_set, val_set, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot make the folder"):
            train(config, train_set, val_set, TrainingOptions(tmp_path / "file", "tiny"))

    def test_classes_that_differ(self, config, train_set, val_set, tmp_path):
        categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
        other = Annotations(val_set.folder, val_set.coco | {"categories": categories})
        with pytest.raises(UserError, match=r"training classes \(red, blue\) are not .*\(red, green\)"):
            train(config, train_set, other, TrainingOptions(tmp_path, "tiny"))

    def test_anchors_that_do_not_fit_the_trunk(self, config, train_set, val_set, tmp_path):
        wrong = with_changes(config, "proposals", anchor_sizes=((16,), (32,)))
        with pytest.raises(UserError, match=r"has 4 proposal levels, but proposals\.anchor_sizes lists 2"):
            train(wrong, train_set, val_set, TrainingOptions(tmp_path, "tiny"))

    def test_levels_with_unequal_numbers_of_anchors(self, config, train_set, val_set, tmp_path):
        wrong = with_changes(config, "proposals", anchor_sizes=((16, 20), (32,), (64,), (128,)))
        with pytest.raises(UserError, match="equally many sizes for every level"):
            train(wrong, train_set, val_set, TrainingOptions(tmp_path, "tiny"))

    def test_cascade_with_boxes_per_class(self, folder, tmp_path):
        text = (folder / "config.yaml").read_text().replace("num_stages: 2", "num_stages: 2, class_agnostic: false")
        (tmp_path / "cascade.yaml").write_text(text.replace("  hidden:", "  foreground_iou: [0.5, 0.6]\n  hidden:"))
        with pytest.raises(UserError, match=r"a cascade .* needs class_agnostic: true"):
            load_config(str(tmp_path / "cascade.yaml"))

    def test_damaged_photo_is_one_line_from_the_loaders_process_too(self, config, train_set, val_set, tmp_path):
        good = train_set.folder
        images = [image | {"file_name": str(good / image["file_name"])} for image in train_set.images]
        images[5]["file_name"] = "cut.png"
        (tmp_path / "cut.png").write_bytes((good / "train6.png").read_bytes()[:90])
        damaged = Annotations(tmp_path, train_set.coco | {"images": images})
        with pytest.raises(UserError, match=r"^\S*cut\.png is damaged or cut short") as caught:
            train(config, damaged, val_set, TrainingOptions(tmp_path / "run", "tiny"))
        assert "\n" not in str(caught.value)
        assert active_children() == [], "the loader's process is gone with it"

    def test_loss_that_is_not_finite(self, config, train_set, val_set, tmp_path):
        wild = with_changes(config, "schedule", lr=1e12, warmup_steps=0)
        with pytest.raises(UserError, match=r"the loss is (nan|inf) at step \d+; lower schedule\.lr"):
            train(wild, train_set, val_set, TrainingOptions(tmp_path / "run", "tiny"))


def test_resuming_a_finished_run_changes_nothing(finished, config, train_set, val_set, options):
    before = {path.name: path.read_bytes() for path in options.output.glob("*.safetensors")}
    assert train(config, train_set, val_set, dataclasses.replace(options, resume=True)) == finished
    assert before == {path.name: path.read_bytes() for path in options.output.glob("*.safetensors")}


@pytest.mark.slow
def test_stop_between_figures_and_state_repeats_no_line_and_no_point(config, train_set, val_set, tmp_path, monkeypatch):
    """The worst moment: an epoch is validated and written down, and the run dies before its state says so."""
    save = engine.save_state

    def die_at_the_second_epoch(path, model, optimizer, progress, *rest):
        if progress.epochs_closed == 2:
            raise KeyboardInterrupt
        save(path, model, optimizer, progress, *rest)

    options = TrainingOptions(tmp_path, "tiny")
    monkeypatch.setattr(engine, "save_state", die_at_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(config, train_set, val_set, options)
    assert [line["epoch"] for line in TestOutput.lines(tmp_path)] == [1, 2]
    monkeypatch.setattr(engine, "save_state", save)
    train(config, train_set, val_set, dataclasses.replace(options, resume=True))
    assert [line["epoch"] for line in TestOutput.lines(tmp_path)] == [1, 2, 3]
    assert scalars(tmp_path)["val/AP"] == [6, 12, 18]


@pytest.mark.slow
def test_a_finished_run_takes_more_epochs_and_needs_no_option_again(
    finished, config, train_set, val_set, options, tmp_path
):
    """Nor the checkpoint that it started from, which may be gone."""
    start = tmp_path / "start.safetensors"
    for suffix in (".safetensors", ".json"):
        start.with_suffix(suffix).write_bytes((options.output / "last").with_suffix(suffix).read_bytes())
    first = TrainingOptions(tmp_path / "run", "tiny", epochs=1, seed=5, init=str(start), freeze_trunk=True)
    train(config, train_set, val_set, first)
    start.unlink()
    card = train(config, train_set, val_set, TrainingOptions(first.output, "tiny", epochs=2, resume=True))
    training = card.training
    assert (training.epochs, training.seed, training.started_from) == (2, 5, str(start))
    assert training.frozen_trunk
    assert training.start == finished.training
    assert [line["epoch"] for line in TestOutput.lines(first.output)] == [1, 2]


def test_frozen_trunk_stays_as_it_is_and_the_box_head_learns(finished, config, train_set, val_set, options, tmp_path):
    start = options.output / "last.safetensors"
    frozen = TrainingOptions(tmp_path, "tiny", epochs=1, init=str(start), freeze_trunk=True)
    card = train(config, train_set, val_set, frozen)
    assert card.training.frozen_trunk
    assert card.training.started_from == str(start)
    before, after = load_file(start), load_file(tmp_path / "last.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("roi_heads.box_head.") for name in changed)
    assert changed >= {name for name in before if name.startswith("roi_heads.") and name.endswith("weight")}


def test_run_with_the_trunk_free_changes_it_but_not_its_first_stages(finished, config, options, train_set, val_set):
    detector, _ = load_checkpoint(str(options.output / "last.safetensors"))
    imagenet = build_detector(config, ("red", "blue"), pretrained=True)
    trained, start = detector.state_dict(), imagenet.state_dict()
    changed = {name for name in start if not torch.allclose(start[name], trained[name], rtol=2e-3, atol=1e-5)}
    assert any(name.startswith("backbone.backbone.blocks.5") for name in changed)
    assert any(name.startswith("backbone.pyramid") for name in changed)
    assert any(name.startswith("rpn.") for name in changed)
    fixed = ("backbone.backbone.conv_stem", "backbone.backbone.blocks.0", "backbone.backbone.blocks.1")
    assert not [name for name in changed if name.startswith(fixed) or ".bn" in name]


@pytest.mark.slow
def test_validation_sees_photos_at_the_size_that_inference_uses(config, train_set, val_set, tmp_path, monkeypatch):
    sizes = []

    def record(detector, annotations, on_photo, ranks):
        sizes.append(tuple(detector.transform.min_size))
        return {"AP": 1.0, "AP50": 1.0, "AP70": 1.0, "AP80": 1.0, "AP90": 1.0}

    monkeypatch.setattr(engine, "evaluate", record)
    mixed = with_changes(config, "input", train_min_sizes=(96, 64), min_size=80)
    train(mixed, train_set, val_set, TrainingOptions(tmp_path, "tiny", epochs=2))
    assert sizes == [(80,), (80,)]


@pytest.mark.slow
def test_four_photos_are_learnt(config, train_set, tmp_path, monkeypatch):
    """Losses of candidates and classes fall, and the boxes are found. The box loss itself may rise: it is a sum over
    the positives, and a better trunk proposes more of them."""
    losses = []
    monkeypatch.setattr(engine.TrainingDisplay, "advance", lambda _, step: losses.append(step))
    boxes = [box for box in train_set.coco["annotations"] if box["image_id"] <= 4]
    few = Annotations(train_set.folder, train_set.coco | {"images": train_set.images[:4], "annotations": boxes})
    card = train(config, few, few, TrainingOptions(tmp_path, "tiny", epochs=20, validate_every=20))
    assert len(losses) == 40
    for name in ("loss_objectness", "loss_classifier"):
        first, last = (sum(step[name] for step in part) for part in (losses[:8], losses[-8:]))
        assert last < 0.8 * first, name
    assert card.evaluation.metrics["AP50"] > 40


class TestLearningRate:
    def test_warm_up_is_linear(self):
        schedule = ScheduleConfig(lr=0.1, warmup=1.0, warmup_steps=4, milestones=())
        rates = [learning_rate(schedule, step, 100, 10) for step in range(6)]
        assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])

    def test_warm_up_is_a_share_of_the_run_up_to_a_number_of_steps(self):
        schedule = ScheduleConfig(warmup=0.1, warmup_steps=200)
        assert [warmup_steps(schedule, total) for total in (3, 15, 260, 2000, 2660, 50_000)] == [
            0,
            2,
            26,
            200,
            200,
            200,
        ]

    def test_a_schedule_is_worth_so_many_steps_at_the_full_rate(self):
        flat = ScheduleConfig(lr=0.3, warmup=0.5, warmup_steps=4, milestones=(1,))
        assert full_rate_steps(flat, 20, 10) == pytest.approx((0.25 + 0.5 + 0.75 + 7) + 1)
        cosine = ScheduleConfig(lr=0.3, warmup=0, shape="cosine")
        assert full_rate_steps(cosine, 100, 10) == pytest.approx(50, rel=0.02)

    def test_no_warm_up(self):
        assert learning_rate(ScheduleConfig(lr=0.1, warmup_steps=0), 0, 100, 10) == 0.1

    def test_steps_drop_tenfold_after_their_epochs(self):
        schedule = ScheduleConfig(lr=0.1, warmup_steps=0, milestones=(8, 11))
        rates = [learning_rate(schedule, step, 120, 10) for step in (0, 79, 80, 109, 110, 119)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])

    def test_cosine_falls_from_the_rate_to_nearly_zero(self):
        schedule = ScheduleConfig(lr=0.1, warmup_steps=0, shape="cosine")
        rates = [learning_rate(schedule, step, 100, 10) for step in range(100)]
        assert rates[0] == 0.1
        assert rates[25] == pytest.approx(0.05 * (1 + math.sqrt(0.5)))
        assert rates[50] == pytest.approx(0.05)
        assert 0 < rates[99] < 1e-4
        assert rates == sorted(rates, reverse=True)

    def test_cosine_warms_up_too(self):
        schedule = ScheduleConfig(lr=0.1, warmup=0.01, warmup_steps=1000, shape="cosine")
        assert learning_rate(schedule, 0, 1000, 10) == pytest.approx(0.01)
        assert learning_rate(schedule, 4, 1000, 10) == pytest.approx(0.05, rel=1e-3)


def test_a_run_prepares_the_detector_that_it_trains(config, train_set, val_set, tmp_path, monkeypatch):
    prepared = []

    def stop(detector):
        prepared.append(detector)
        raise UserError("far enough")

    monkeypatch.setattr(engine, "prepare_for_training", stop)
    with pytest.raises(UserError, match="far enough"):
        train(config, train_set, val_set, TrainingOptions(tmp_path / "run", "tiny", epochs=1))
    assert [type(detector).__name__ for detector in prepared] == ["Detector"]
