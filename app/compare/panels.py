"""What each model's panel of photos shows."""

from collections.abc import Mapping

from app.compare.comparison import Comparison, Settings, num_stages
from app.compare.found_objects import FoundObject
from app.components.photo_pair import ClickableBox, Outline, PhotoPanel
from app.detectors import ModelFile
from obcn.offsets.distribution import DecodeRule


def busy_panels(models: Mapping[str, ModelFile], settings: Settings) -> list[PhotoPanel]:
    """Panels of models that are still at work."""
    return [
        PhotoPanel(name, name, _decoding(settings, num_stages(model.card)), "", busy=f"{name} is looking…")
        for name, model in models.items()
    ]


def panels(seen: Comparison, chosen: int | None) -> list[PhotoPanel]:
    """Each model's boxes, the true ones, and where the chosen object would be by the other decode rule.

    Args:
        seen: what the models say.
        chosen: index of the chosen object.
    """
    truth: list[Outline] = []
    if seen.photo.truth is not None:
        named = zip(seen.photo.truth.names, seen.photo.truth.boxes.tolist(), strict=True)
        truth = [Outline("truth", f"truth: {name}", box) for name, box in named]
    drawn = []
    for name in seen.models:
        boxes = _clickable(seen, name)
        other = [] if chosen is None else _other_rule(seen, name, seen.objects[chosen])
        decoding = _decoding(seen.settings, seen.stages_used(name))
        drawn.append(PhotoPanel(name, line_of(seen, name), decoding, _count(boxes), boxes, [*truth, *other]))
    return drawn


def line_of(seen: Comparison, model: str) -> str:
    """Name of the line of a model's boxes: its own, but argmax has one line wherever it is drawn."""
    return "argmax" if model in seen.believers and seen.settings.rule == "argmax" else model


def _clickable(seen: Comparison, model: str) -> list[ClickableBox]:
    boxes = seen.found[model].boxes
    return [
        ClickableBox(number, item.place, f"{item.name} {item.scores[model]:.2f}", boxes[item.rows[model]].tolist())
        for number, item in enumerate(seen.objects)
        if item.reported_by(model)
    ]


def _other_rule(seen: Comparison, model: str, item: FoundObject) -> list[Outline]:
    if model not in seen.believers or not item.reported_by(model):
        return []
    belief = seen.belief_of(item, model)
    assert belief is not None, "what is reported was seen"
    other: DecodeRule = "argmax" if belief.rule == "expectation" else "expectation"
    return [Outline(other if other == "argmax" else model, f"{model}, {other}", belief.by_rule[other].tolist())]


def _decoding(settings: Settings, stages: int) -> str:
    """How a head with distributions decodes; nothing for regression."""
    if not stages:
        return ""
    used = min(stages, settings.stages)
    warmth = "" if settings.temperature == 1 else f" · temperature {settings.temperature:g}"
    return f"{settings.rule} · {used} stage{'s' if used > 1 else ''}{warmth}"


def _count(boxes: list[ClickableBox]) -> str:
    return f"{len(boxes) or 'no'} object{'' if len(boxes) == 1 else 's'}"
