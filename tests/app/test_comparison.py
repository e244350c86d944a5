"""What several models say of one photo, from outputs made by hand."""

import threading
from dataclasses import replace

import pytest
import torch
from PIL import Image

from app.compare import scoring
from app.compare.comparison import Settings, compare, num_stages
from app.photos import Photo, Truth
from obcn.figures.lines import MOST_MODELS
from tests.app.helpers import BINS, HEIGHT, REGRESSION, WIDTH, card, model, scored

DOG, CAT = [20.0, 30.0, 100.0, 90.0], [110.0, 20.0, 180.0, 120.0]
SETTINGS = Settings("expectation", 2, 0.5, 0.5, 1.0, "cpu")


@pytest.fixture
def look(monkeypatch):
    """Compares models whose outputs are made by hand."""
    answers = {
        "regression": scored([DOG, CAT], ["dog", "cat"], [0.9, 0.8], REGRESSION),
        "obcn": scored([DOG], ["dog"], [0.7], BINS),
    }
    monkeypatch.setattr(scoring, "scores", lambda photo, file, device: answers[file.name])
    photo = Photo("a.jpg", Image.new("RGB", (WIDTH, HEIGHT)), "0", Truth(torch.tensor([DOG]), ("dog",)))

    def looked(names=("regression", "obcn"), **changes):
        models = {name: model(name, name) for name in names}
        return compare(photo, models, replace(SETTINGS, **changes))

    return looked


def test_who_asks_for_what_is_known_does_not_wait_for_a_running_network(monkeypatch) -> None:
    shelf, known = scoring._Shelf(), scored([DOG], ["dog"], [0.9], BINS)
    monkeypatch.setattr(scoring, "_shelf", lambda: shelf)
    monkeypatch.setattr(scoring, "_key", lambda photo, file, device: file.name)
    shelf.put("obcn", known)
    answers = []
    with shelf.running:
        visitor = threading.Thread(target=lambda: answers.append(scoring.scores(None, model("obcn", "obcn"), "cpu")))
        visitor.start()
        visitor.join(10)
        assert answers == [known]


def test_scores_make_room_by_their_bytes_but_not_for_one_another_on_a_page() -> None:
    one = scored([DOG], ["dog"], [0.9], BINS)
    size = sum(part.nbytes for part in vars(one.candidates).values())
    shelf = scoring._Shelf(most_bytes=(MOST_MODELS + 2) * size, most=MOST_MODELS + 4)
    keys = [(number,) for number in range(MOST_MODELS + 3)]
    for key in keys:
        shelf.put(key, one)
    assert [key for key in keys if shelf.get(key) is None] == [keys[0]]
    large = scored([DOG] * 10, ["dog"] * 10, [0.9] * 10, BINS)
    for key in keys[:MOST_MODELS]:
        shelf.put(key, large)
    assert [key for key in keys if shelf.get(key)] == keys[:MOST_MODELS], "else the page would run again and again"
    nothing = scored([], [], [], BINS)
    for number in range(100, 200):
        shelf.put((number,), nothing)
    assert sum(shelf.get((number,)) is not None for number in range(100, 200)) == MOST_MODELS + 4


def test_objects_beliefs_and_truth_come_together(look) -> None:
    seen = look()
    dog, cat = seen.objects
    assert (dog.name, cat.name) == ("dog", "cat")
    assert seen.believers == ["obcn"]
    belief = seen.belief_of(dog, "obcn")
    assert list(belief.rivals) == ["regression", "truth"]
    torch.testing.assert_close(belief.rivals["truth"], torch.tensor(DOG))
    torch.testing.assert_close(belief.rivals["regression"], torch.tensor(DOG), atol=1e-3, rtol=0)
    assert seen.belief_of(cat, "obcn") is None
    assert seen.truth_of(cat) is None
    assert list(seen.boxes_of(cat)) == ["regression"]


def test_heads_use_as_many_stages_as_they_have(look) -> None:
    assert [look().stages_used(name) for name in ("regression", "obcn")] == [0, 2]
    assert [look(stages=1).stages_used(name) for name in ("regression", "obcn")] == [0, 1]
    assert [look(stages=5).stages_used(name) for name in ("regression", "obcn")] == [0, 2]


@pytest.mark.parametrize(
    ("config", "stages"), [("regression", 0), ("obcn", 2), ("dfl", 1), ("dfine", 1), ("distance_bins", 1)]
)
def test_every_shipped_head_says_how_many_stages_it_has(config, stages) -> None:
    assert num_stages(card(config)) == stages


def test_a_low_temperature_brings_the_mean_to_the_peak_and_leaves_regression(look) -> None:
    def gap(temperature: float) -> float:
        stage = look(temperature=temperature).found["obcn"].explanation.stages[0]
        return float((stage.expectation - stage.argmax).abs().max())

    assert gap(0.25) < gap(1.0) < gap(4.0)
    cold, warm = (look(temperature=value) for value in (0.25, 4.0))
    torch.testing.assert_close(cold.found["regression"].boxes, warm.found["regression"].boxes)
    assert not torch.allclose(cold.found["obcn"].boxes, warm.found["obcn"].boxes, atol=0.01)
    spreads = [seen.found["obcn"].explanation.stages[0].spread.mean() for seen in (cold, look(), warm)]
    assert spreads == sorted(spreads)


def test_why_speaks_of_those_that_saw_the_object(look) -> None:
    dog, cat = look().objects
    assert look().why(cat).startswith("Only regression sees this cat")
    assert look().why(dog).startswith("regression and obcn")


def test_boxes_rank_and_merge_as_the_card_says_or_as_asked(look) -> None:
    def score(name: str, **changes) -> float:
        return look(**changes).found[name].scores[0].item()

    assert score("obcn", rank_by="score") == pytest.approx(0.7)
    assert score("obcn", rank_by="certainty") < 0.695
    assert score("obcn") == score("obcn", rank_by="certainty"), "as its card says"
    assert score("regression", rank_by="certainty") == pytest.approx(0.9), "it keeps no distribution to ask"


def test_duplicates_are_merged_as_asked(monkeypatch) -> None:
    beside = [DOG[0] + 6, *DOG[1:]]
    answer = scored([DOG, beside], ["dog", "dog"], [0.6, 0.5], REGRESSION)
    monkeypatch.setattr(scoring, "scores", lambda photo, file, device: answer)
    photo = Photo("a.jpg", Image.new("RGB", (WIDTH, HEIGHT)), "0", None)

    def left(**changes) -> float:
        found = compare(photo, {"a": model("a", "regression")}, replace(SETTINGS, **changes)).found["a"]
        assert len(found) == 1
        return found.boxes[0, 0].item()

    assert left() == left(merge_by="suppression") == pytest.approx(DOG[0], abs=0.01)
    assert DOG[0] + 1 < left(merge_by="voting") < DOG[0] + 3
