import pytest

from app.detectors import ModelFile
from app.models.cards import checkpoint_pair, facts_in_words, figures_of
from obcn.card_words import head_in_words, training_in_words
from obcn.checkpoints import SHIPPED_CHECKPOINTS, Training, read_card
from obcn.config import RegressionOffsets, load_config
from obcn.errors import UserError
from obcn.offsets import BinCodec, RegressionCodec, RepooledCodec
from tests.app.helpers import card


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("compact_regression", "Regression: one number per coordinate, trained by Smooth L1 with β = 1"),
        ("compact_obcn", "2 looks, each pooled where the one before puts the box: Offset bins: one stage of 20 bins"),
        ("compact_dfl", "Distribution focal loss: 22 even points over ±3; read by expectation"),
        ("compact_dfine", "D-FINE's points: 23, dense around 0, out to ±6; read by expectation"),
        ("compact_distance_bins", "Distance-aware bins: 20 bins and two tails over ±3; read by expectation"),
        ("voc_cascade_obcn_r50", "a cascade of 2"),
    ],
)
def test_every_head_has_words(config, words) -> None:
    assert words in head_in_words(load_config(config))


class NewCodec(RegressionCodec):
    def describe(self) -> str:
        return "Something that nobody has seen"


class NewOffsets(RegressionOffsets):
    def build(self) -> NewCodec:
        return NewCodec()


def test_a_head_that_the_app_has_never_seen_describes_itself() -> None:
    config = load_config("compact_regression")
    offsets = NewOffsets(codec="regression")
    head = config.box_head.model_copy(update={"offsets": offsets})
    new = config.model_copy(update={"box_head": head})
    assert head_in_words(new) == "Something that nobody has seen"


def test_a_repooled_head_says_how_often_it_looks() -> None:
    looks = (BinCodec(20, (3.0,)), BinCodec(20, (3.0,)))
    assert RepooledCodec(looks).describe().startswith("2 looks")
    assert RepooledCodec(looks).describe().count("20 bins") == 1
    assert "over ±0.15" in RepooledCodec((looks[0], BinCodec(20, (0.15,)))).describe()


def test_the_widest_point_is_the_codecs() -> None:
    config = load_config("compact_dfine")
    assert max(config.box_head.offsets.build().points) == 6


def test_a_box_per_class_is_told() -> None:
    config = load_config("compact_regression").model_dump()
    config["box_head"]["offsets"] |= {"class_agnostic": False, "loss": "giou"}
    words = head_in_words(type(load_config("compact_regression")).model_validate(config))
    assert words == "Regression: one number per coordinate, trained by GIoU; a box for each class"


def test_training_in_one_line() -> None:
    training = Training(
        command="obcn train",
        data="pets",
        train_images=20,
        epochs=1.5,
        seed=7,
        device="cuda",
        torch="2",
        commit="abc",
        date="2026-01-02T03:04:05+00:00",
        frozen_trunk=True,
        minutes=12.4,
    )
    assert training_in_words(training) == (
        "1.5 epochs on 20 photos of pets, seed 7, trunk frozen, on cuda, 12 minutes; 2026-01-02, commit abc"
    )


def test_the_shipped_cards() -> None:
    path = SHIPPED_CHECKPOINTS / "obcn.safetensors"
    shipped = read_card(path)
    facts = dict(facts_in_words(ModelFile("obcn", path, shipped)))
    assert facts["file"].endswith(f"checkpoints/obcn.safetensors, {path.stat().st_size / 1e6:.1f} MB")
    assert "seed 0" in facts["started from"]
    assert dict(map(reversed, figures_of(shipped)))["AP"] == "49.5"
    assert figures_of(card("obcn")) == []


@pytest.mark.parametrize(
    ("names", "places"), [(["b.json", "a.safetensors"], (1, 0)), (["A.SAFETENSORS", "A.JSON"], (0, 1))]
)
def test_weights_and_card_are_told_apart(names, places) -> None:
    assert checkpoint_pair(names) == places


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["best.safetensors"], "best.safetensors comes without its card: add best.json"),
        (["best.json"], "best.json comes without its weights: add best.safetensors"),
        (["model.pth", "best.json"], "runs whatever code is in it"),
        (["weights.tar"], "looks like a pickle"),
        (["notes.txt"], "neither weights nor a card"),
        (["a.safetensors", "b.safetensors", "a.json"], "one model at a time"),
    ],
)
def test_files_that_make_no_model_are_refused_with_the_way_out(names, words) -> None:
    with pytest.raises(UserError, match=words):
        checkpoint_pair(names)
