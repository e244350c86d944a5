"""Checkpoints and their cards: what is written comes back, and what is no checkpoint is refused in one line."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from obcn import checkpoints
from obcn.checkpoints import (
    Card,
    Evaluation,
    Training,
    current_commit,
    initialise_from,
    load_checkpoint,
    now,
    read_card,
    save_checkpoint,
    shipped_names,
)
from obcn.config import DetectorConfig, RegressionOffsets, load_config
from obcn.errors import UserError
from obcn.models import build_detector
from obcn.models.detector import Detector

CLASSES = ("cat", "dog")


@pytest.fixture(scope="module")
def config() -> DetectorConfig:
    """The compact detector with a smaller pyramid and head."""
    config = load_config("compact_obcn")
    trunk = config.trunk.model_copy(update={"fpn_channels": 16})
    return config.model_copy(update={"trunk": trunk, "box_head": config.box_head.model_copy(update={"hidden": 32})})


@pytest.fixture(scope="module")
def detector(config: DetectorConfig) -> Detector:
    torch.manual_seed(0)
    return build_detector(config, CLASSES)


@pytest.fixture(scope="module")
def card(config: DetectorConfig) -> Card:
    training = Training(
        command="obcn train compact_obcn --data pets.yaml",
        data="pets",
        train_images=10,
        epochs=1.5,
        seed=3,
        device="cpu",
        torch=torch.__version__,
        commit=current_commit(),
        date=now(),
        minutes=2.5,
    )
    measured = Evaluation(command="obcn eval", data="pets (val)", images=4, metrics={"AP": 38.25, "AP:cat": 40.0})
    return Card(name="compact_obcn", classes=CLASSES, config=config, training=training, evaluation=measured)


@pytest.fixture
def saved(tmp_path: Path, detector: Detector, card: Card) -> Path:
    path = tmp_path / "pets.safetensors"
    save_checkpoint(path, detector, card)
    return path


def refusal(path: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        load_checkpoint(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestRoundTrip:
    def test_vectors_are_exact_and_matrices_half_precise(self, saved, detector):
        loaded, _ = load_checkpoint(str(saved))
        before, after = detector.state_dict(), loaded.state_dict()
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert after[name].dtype == value.dtype
            assert after[name].stride() == value.stride(), "as it lies, so fast is the trunk"
            if value.dim() >= 2:
                torch.testing.assert_close(after[name], value, rtol=1e-3, atol=1e-6)
            else:
                assert torch.equal(after[name], value), name

    def test_file_is_half_the_size_of_full_precision(self, saved, detector):
        full = sum(value.numel() * value.element_size() for value in detector.state_dict().values())
        assert saved.stat().st_size < 0.55 * full

    def test_loaded_detector_is_ready_for_inference(self, saved):
        loaded, _ = load_checkpoint(str(saved))
        assert not loaded.training
        assert loaded.classes == CLASSES
        with torch.inference_mode():
            (found,) = loaded([torch.rand(3, 60, 80)])
        assert found["boxes"].shape[1] == 4

    def test_saving_what_was_loaded_writes_the_same_weights(self, saved, tmp_path):
        loaded, card = load_checkpoint(str(saved))
        save_checkpoint(tmp_path / "again.safetensors", loaded, card)
        first, second = load_file(saved), load_file(tmp_path / "again.safetensors")
        assert all(torch.equal(value, second[name]) for name, value in first.items())

    def test_card(self, saved, card):
        assert read_card(saved) == card
        _, loaded = load_checkpoint(str(saved))
        assert loaded == card

    def test_card_is_json_that_any_program_reads(self, saved):
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        content = json.loads(saved.with_suffix(".json").read_text(), parse_constant=refuse)
        assert content["classes"] == ["cat", "dog"]
        assert content["evaluation"]["metrics"] == {"AP": 38.25, "AP:cat": 40.0}

    def test_no_temporary_file_is_left(self, saved):
        assert sorted(path.name for path in saved.parent.iterdir()) == ["pets.json", "pets.safetensors"]


def test_figures_of_no_object_are_left_out_of_an_evaluation():
    measured = Evaluation(command="", data="", images=1, metrics={"AP": 0.0, "APl": float("nan")})
    assert measured.metrics == {"AP": 0.0}


def test_card_outside_a_repository_knows_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "ROOT", tmp_path)
    assert current_commit() == "unknown"


class TestNoCheckpoint:
    def test_text(self, saved):
        saved.write_text("these are no weights")
        assert "pets.safetensors is not a safetensors checkpoint" in refusal(saved)

    def test_empty_file(self, saved):
        saved.write_bytes(b"")
        assert "is not a safetensors checkpoint" in refusal(saved)

    @pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
    def test_pickle_is_refused_unread(self, tmp_path, write):
        class Trap:
            def __reduce__(self):
                return (Path.write_text, (tmp_path / "sprung", "x"))

        path = tmp_path / "model.pth"
        write({"weight": Trap()}, path)
        message = refusal(path)
        assert "model.pth is not a safetensors checkpoint" in message
        assert "pickles are not read" in message
        assert "export it to .onnx" in message
        assert not (tmp_path / "sprung").exists()

    def test_truncated(self, saved):
        saved.write_bytes(saved.read_bytes()[:-1000])
        assert "pets.safetensors is not a safetensors checkpoint" in refusal(saved)

    def test_other_safetensors(self, saved):
        save_file({"weight": torch.zeros(3)}, saved)
        assert "does not fit the model that pets.json describes" in refusal(saved)

    def test_folder(self, tmp_path):
        assert refusal(tmp_path).startswith(f"{tmp_path} is a folder: give a .safetensors file")

    def test_folder_of_a_run(self, saved):
        saved.with_name("state.safetensors").write_bytes(b"")
        assert refusal(saved.parent) == f"{saved.parent} is a folder: name a file in it (pets.safetensors)"

    def test_config(self):
        message = refusal("compact_obcn")
        assert message.startswith("compact_obcn is a config: train it first, by `obcn train compact_obcn --data ")
        assert "a shipped name (obcn" in message

    @pytest.mark.parametrize("name", ["yolo11n.pt", "model.PTH"])
    def test_another_tools_weights_that_are_not_even_there(self, name):
        assert "export it to .onnx" in refusal(name)

    def test_missing_file(self, tmp_path):
        assert "gone.safetensors" in refusal(tmp_path / "gone.safetensors")


class TestNoCard:
    def test_missing(self, saved):
        saved.with_suffix(".json").unlink()
        assert refusal(saved).endswith("has no card: pets.json must lie beside it")

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"\xff\xfe"])
    def test_not_a_card(self, saved, raw):
        saved.with_suffix(".json").write_bytes(raw)
        assert "pets.json is not the card of a checkpoint" in refusal(saved)

    def test_unknown_key(self, saved):
        content = json.loads(saved.with_suffix(".json").read_text())
        saved.with_suffix(".json").write_text(json.dumps(content | {"licence": "mine"}))
        assert "pets.json is not the card" in refusal(saved)

    @pytest.mark.parametrize(
        "change",
        [
            {"classes": ["cat", "dog", "cow"]},
            {"box_head": {"hidden": 48}},
            {"trunk": {"name": "resnet50"}},
            {"proposals": {"anchor_sizes": [[32], [64]]}},
        ],
    )
    def test_card_of_another_model(self, saved, change):
        content = json.loads(saved.with_suffix(".json").read_text())
        for name, value in change.items():
            if name == "classes":
                content["classes"] = value
            else:
                content["config"][name] |= value
        saved.with_suffix(".json").write_text(json.dumps(content))
        assert "does not fit the model that pets.json describes" in refusal(saved)


class TestBadWeights:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_one_that_is_not_finite(self, saved, value):
        tensors = load_file(saved)
        tensors["roi_heads.box_head.class_scores.bias"][0] = value
        save_file(tensors, saved)
        assert "pets.safetensors: roi_heads.box_head.class_scores.bias holds NaN or infinite" in refusal(saved)

    def test_whole_numbers(self, saved):
        tensors = load_file(saved)
        tensors["roi_heads.box_head.class_scores.bias"] = torch.ones(3, dtype=torch.int8)
        save_file(tensors, saved)
        assert "class_scores.bias holds int8 numbers, which are no weights" in refusal(saved)

    def test_a_card_of_a_larger_model_is_refused_before_it_is_built(self, saved, monkeypatch):
        """By the file's header: 4 TB of weights would not fit."""
        content = json.loads(saved.with_suffix(".json").read_text())
        content["config"]["box_head"] |= {"hidden": 8192}
        content["config"]["trunk"] |= {"fpn_channels": 2048}
        content["classes"] = [str(number) for number in range(90_000)]
        saved.with_suffix(".json").write_text(json.dumps(content))
        monkeypatch.setattr(checkpoints, "read_weights", lambda _: pytest.fail("read the weights"))
        assert "does not fit the model that pets.json describes" in refusal(saved)

    def test_a_card_out_of_bounds_names_the_number(self, saved):
        content = json.loads(saved.with_suffix(".json").read_text())
        content["config"]["box_head"]["hidden"] = 10**30
        saved.with_suffix(".json").write_text(json.dumps(content))
        assert "config.box_head.hidden" in refusal(saved)


class TestShipped:
    def test_unknown_name_lists_what_is_shipped(self, tmp_path, monkeypatch):
        monkeypatch.setattr(checkpoints, "SHIPPED_CHECKPOINTS", tmp_path)
        assert "or a shipped name (none here)" in refusal("unicorn")
        for name in ("zebra", "ant"):
            (tmp_path / f"{name}.safetensors").write_bytes(b"")
        assert shipped_names() == ["ant", "zebra"]
        message = refusal("unicorn")
        assert "no checkpoint 'unicorn'" in message
        assert "(ant, zebra)" in message

    def test_name_finds_the_shipped_file_even_beside_a_folder_of_that_name(self, saved, card, tmp_path, monkeypatch):
        (tmp_path / "elsewhere" / "pets").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        monkeypatch.setattr(checkpoints, "SHIPPED_CHECKPOINTS", tmp_path)
        assert load_checkpoint("pets")[1] == card


class TestInitialise:
    def fresh(self, config: DetectorConfig, classes: tuple[str, ...] = CLASSES) -> Detector:
        torch.manual_seed(1)
        return build_detector(config, classes)

    def test_copies_all_but_what_writes_offsets(self, saved, config):
        detector = self.fresh(config)
        before = {name: value.clone() for name, value in detector.state_dict().items()}
        stored = checkpoints.read_weights(saved)
        copied = initialise_from(detector, str(saved))
        fresh = {name for name in stored if "offset_outputs" in name or "later_looks" in name}
        assert len(fresh) == 8, "a layer of the first look, three of the second"
        assert copied == stored.keys() - fresh
        for name, value in detector.state_dict().items():
            assert torch.equal(value, before[name] if name in fresh else stored[name]), name

    def test_two_heads_start_alike_but_for_their_offset_outputs(self, saved, config):
        head = config.box_head.model_copy(update={"offsets": RegressionOffsets(codec="regression")})
        bins, regression = self.fresh(config), self.fresh(config.model_copy(update={"box_head": head}))
        initialise_from(bins, str(saved))
        initialise_from(regression, str(saved))
        one, other = bins.state_dict(), regression.state_dict()
        differing = {
            name for name in other if one[name].shape != other[name].shape or not torch.equal(one[name], other[name])
        }
        assert differing == {f"roi_heads.box_head.offset_outputs.{part}" for part in ("weight", "bias")}

    def test_other_classes_start_with_fresh_scores(self, saved, config):
        detector = self.fresh(config, ("cow",))
        before = detector.roi_heads.box_head.class_scores.weight.clone()
        assert len(initialise_from(detector, str(saved))) == len(checkpoints.read_weights(saved)) - 8 - 2
        assert torch.equal(detector.roi_heads.box_head.class_scores.weight, before)

    def test_another_trunk_is_refused_though_its_pyramid_fits(self, saved, config):
        trunk = config.trunk.model_copy(update={"name": "resnet50"})
        sizes = config.proposals.model_copy(update={"anchor_sizes": ((16,), (32,), (64,), (128,), (256,))})
        detector = self.fresh(config.model_copy(update={"trunk": trunk, "proposals": sizes}))
        with pytest.raises(
            UserError,
            match=r"pets\.safetensors has another trunk .* \(tf_efficientnet_lite0\), or no checkpoint, to start from",
        ):
            initialise_from(detector, str(saved))

    def test_an_exported_detector_is_no_start(self, config, tmp_path):
        (tmp_path / "mine.onnx").write_bytes(b"")
        with pytest.raises(UserError, match=r"mine\.onnx is an \.onnx file, .* give a \.safetensors file"):
            initialise_from(self.fresh(config), str(tmp_path / "mine.onnx"))

    def test_missing_start(self, config):
        with pytest.raises(UserError, match="no checkpoint 'unicorn'"):
            initialise_from(self.fresh(config), "unicorn")
