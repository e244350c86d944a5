"""Every shipped config builds and learns; what the two compact heads share."""

import pytest
import torch
import yaml
from torch import nn

from obcn.checkpoints import Card, Training, load_checkpoint, save_checkpoint
from obcn.config import SHIPPED_CONFIGS, load_config
from obcn.errors import UserError
from obcn.models import build_detector
from tests.models.helpers import CLASSES, at_size, scene

NAMES = sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))
PAPER = [
    "coco_obcn_r101",
    "coco_obcn_r50",
    "coco_obcn_x101",
    "coco_regression_r50",
    "voc_cascade_obcn_r50",
    "voc_obcn_r50",
    "voc_regression_r50",
]


def _any_gradient(module: nn.Module) -> bool:
    return any(p.grad is not None and bool((p.grad != 0).any()) for p in module.parameters())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in PAPER else []) for name in NAMES]
)
def test_takes_a_training_step(name):
    torch.manual_seed(0)
    config = load_config(name)
    detector = build_detector(at_size(config, 96), CLASSES).train()
    photo, target = scene()
    losses = detector([photo], [target])
    total = sum(losses.values())
    total.backward()

    assert {"loss_objectness", "loss_rpn_box_reg"} < losses.keys()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for parameter_name, parameter in detector.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, parameter_name
        else:
            assert parameter.grad is not None, parameter_name
            assert torch.isfinite(parameter.grad).all(), parameter_name
    heads = getattr(detector.roi_heads, "stages", [detector.roi_heads])
    for head in heads:
        assert _any_gradient(head.box_head.class_scores)
        assert _any_gradient(head.box_head.offset_outputs)
        assert _any_gradient(head.box_head.shared)
    for module in (detector.rpn.head, detector.backbone.pyramid, detector.backbone.backbone):
        assert _any_gradient(module)

    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    before = heads[0].box_head.offset_outputs.weight.detach().clone()
    nn.utils.clip_grad_norm_(trained, config.schedule.clip_norm)
    torch.optim.SGD(trained, config.schedule.lr, config.schedule.momentum).step()
    assert all(torch.isfinite(parameter).all() for parameter in trained)
    assert not torch.equal(heads[0].box_head.offset_outputs.weight, before)


@pytest.mark.parametrize("name", NAMES)
def test_is_named_after_its_file_and_trains_at_the_size_it_is_validated_at(name):
    config = load_config(name)
    assert config.name == name
    assert config.input.train_min_sizes[-1] == config.input.min_size


@pytest.mark.parametrize(
    ("head", "codec", "labels"),
    [
        ("obcn", "bins", 2 * 22),
        ("dfl", "dfl", 22),
        ("dfine", "dfine", 23),
        ("distance_bins", "distance_bins", 22),
        ("regression_two_looks", "regression", 2),
    ],
)
def test_compact_heads_differ_in_name_offsets_and_selection_only(head, codec, labels):
    regression, other = (load_config(f"compact_{name}") for name in ("regression", head))
    assert other.box_head.offsets.codec == codec
    assert other.box_head.offsets.build().num_outputs == 4 * labels
    assert other.box_head.offsets.class_agnostic
    assert regression.box_head.offsets.class_agnostic
    one, another = regression.model_dump(), other.model_dump()
    assert (one.pop("name"), another.pop("name")) == ("compact_regression", f"compact_{head}")
    for config in (one, another):
        config["box_head"].pop("offsets")
        config["box_head"].pop("selection")  # applied to what is trained already: it changes no weight
    assert one == another


@pytest.mark.parametrize("head", ["dfl", "dfine", "distance_bins"])
def test_a_checkpoint_gives_the_head_back(head, tmp_path):
    config = at_size(load_config(f"compact_{head}"), 96)
    torch.manual_seed(0)
    detector = build_detector(config, CLASSES).eval()
    detector.codec = detector.codec.decoding("argmax")
    training = Training(
        command="", data="", train_images=1, epochs=1, seed=0, device="cpu", torch="0", commit="", date=""
    )
    card = Card(name=head, classes=CLASSES, config=config, training=training)
    save_checkpoint(tmp_path / f"{head}.safetensors", detector, card)
    loaded, _ = load_checkpoint(str(tmp_path / f"{head}.safetensors"))
    assert loaded.codec == config.box_head.offsets.build() != detector.codec, "how it was trained, not how it was read"
    photo, _ = scene()
    with torch.inference_mode():
        (found,) = loaded([photo])
    assert found["offset_outputs"].shape == (len(found["boxes"]), loaded.codec.num_outputs)
    assert torch.isfinite(found["boxes"]).all()


@pytest.mark.parametrize(
    ("offsets", "problem"),
    [
        ({"codec": "dfl", "num_points": 1}, "num_points"),
        ({"codec": "dfl", "num_bins": 20}, "num_bins"),
        ({"codec": "dfine", "num_points": 22}, "odd"),
        ({"codec": "dfine", "flatness": 0}, "flatness"),
        ({"codec": "distance_bins", "sigma": -1}, "sigma"),
        ({"codec": "distance_bins", "num_stages": 2}, "num_stages"),
        ({"codec": "bins", "num_stages": 2, "ranges": [3.0, 0.0]}, "range"),
        ({"codec": "bins", "half_range": float("inf")}, "range"),
        ({"codec": "gaussian"}, "'dfl', 'dfine', 'distance_bins'"),
    ],
)
def test_impossible_heads_are_refused_in_words(offsets, problem, tmp_path):
    content = load_config("compact_obcn").model_dump(mode="json")
    content["box_head"]["offsets"] = offsets
    path = tmp_path / "head.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=problem):
        load_config(str(path))


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings(name):
    """Its implementation details, and MMDetection's defaults where it refers to them."""
    config = load_config(name)
    assert (config.input.min_size, config.input.max_size) == ((600, 1000) if name.startswith("voc") else (800, 1333))
    schedule = config.schedule
    assert (schedule.epochs, schedule.batch_size, schedule.lr) == (12, 4, 0.005)
    assert (schedule.shape, schedule.milestones) == ("step", (8, 11))
    assert (schedule.momentum, schedule.weight_decay) == (0.9, 1e-4)
    assert config.trunk.fpn_channels == 256
    assert config.trunk.frozen_stages == 2
    head = config.box_head
    assert (head.hidden, head.candidates_per_image, head.box_loss_weight) == (1024, 512, 1.0)
    assert head.foreground_iou == ((0.5, 0.7) if "cascade" in name else (0.5,))
    if "regression" in name:
        assert (head.offsets.loss, head.offsets.beta) == ("smooth_l1", 1.0)
    else:
        codec = head.offsets.build()
        assert codec.rule == "expectation"
        assert (codec.num_bins, codec.ranges) == (20, (3.0,) if "cascade" in name else (3.0, 0.15))


@pytest.mark.parametrize("name", ["voc", "coco"])
def test_the_papers_heads_are_compared_on_one_detector(name):
    regression, bins = (load_config(f"{name}_{head}_r50").model_dump() for head in ("regression", "obcn"))
    for config in (regression, bins):
        config.pop("name")
        config["box_head"].pop("offsets")
    assert regression == bins


def test_a_cascade_of_no_stage_is_refused(tmp_path):
    content = load_config("compact_obcn").model_dump(mode="json")
    content["box_head"]["foreground_iou"] = []
    path = tmp_path / "head.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="foreground_iou"):
        load_config(str(path))


def test_a_mistake_is_told_by_its_place_and_not_by_what_stands_there(tmp_path):
    path = tmp_path / "notes.yaml"
    path.write_text("name: a\nsecret words\n  : b: c\n")
    with pytest.raises(UserError, match=r"\(line \d+, column \d+\)$") as caught:
        load_config(str(path))
    assert "secret" not in str(caught.value)


def test_a_key_that_is_set_twice_is_named(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text((SHIPPED_CONFIGS / "compact_obcn.yaml").read_text() + "name: another\n")
    with pytest.raises(UserError, match=r"twice\.yaml is not readable YAML: 'name' is set twice"):
        load_config(str(path))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("input.min_size", 1),
        ("input.max_size", 10**6),
        ("input.std", [0.0, 1.0, 1.0]),
        ("trunk.fpn_channels", 10**6),
        ("proposals.anchor_sizes", [[], [], [], []]),
        ("proposals.post_nms_test", 10**9),
        ("box_head.hidden", 10**30),
        ("box_head.foreground_iou", [0.5] * 2000),
        ("box_head.offsets", {"codec": "bins", "num_stages": 400}),
        ("box_head.offsets", {"codec": "bins", "num_stages": 10**7}),
        ("box_head.offsets", {"codec": "dfl", "num_points": 10**8}),
        ("schedule.lr", float("inf")),
        ("schedule.momentum", float("nan")),
        ("schedule.momentum", -1),
        ("schedule.weight_decay", -1),
        ("schedule.clip_norm", float("nan")),
    ],
)
def test_numbers_that_no_detector_reaches_are_refused(place, value, tmp_path):
    content = load_config("compact_obcn").model_dump(mode="json")
    *above, key = place.split(".")
    inner = content
    for part in above:
        inner = inner[part]
    inner[key] = value
    path = tmp_path / "huge.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=place) as caught:
        load_config(str(path))
    assert "\n" not in str(caught.value)


def test_an_infinite_clip_norm_does_not_clip(tmp_path):
    content = load_config("compact_obcn").model_dump(mode="json")
    content["schedule"]["clip_norm"] = float("inf")
    (tmp_path / "free.yaml").write_text(yaml.safe_dump(content))
    assert load_config(str(tmp_path / "free.yaml")).schedule.clip_norm == float("inf")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 2000, "nested too deep"),
        ("epochs: " + "9" * 5000, "not readable YAML"),
        ("date: 2001-99-99", "not readable YAML"),
        ("? [a]\n: b", "not readable YAML"),
        ("a: " + "x" * 1_000_001, "no such file has more than 1"),
    ],
)
def test_yaml_that_cannot_be_read_is_refused_in_words(text, problem, tmp_path):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(UserError, match=problem):
        load_config(str(tmp_path / "odd.yaml"))


@pytest.mark.slow
def test_many_keys_are_read_in_linear_time(tmp_path):
    (tmp_path / "many.yaml").write_text("".join(f"k{number}: 1\n" for number in range(30_000)))
    with pytest.raises(UserError, match=r"unknown key 'k0'.*and more$") as caught:
        load_config(str(tmp_path / "many.yaml"))
    assert len(str(caught.value)) < 1000
