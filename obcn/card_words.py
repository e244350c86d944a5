"""A checkpoint's card in words."""

from obcn.checkpoints import Card, Training
from obcn.config import DetectorConfig


def head_in_words(config: DetectorConfig) -> str:
    """How the model says where a box goes."""
    head, codec = config.box_head, config.box_head.offsets.build()
    words = codec.describe()
    if codec.rule is not None:
        words += f"; read by {codec.rule}"
    if not head.offsets.class_agnostic:
        words += "; a box for each class"
    if len(head.foreground_iou) > 1:
        words += f"; a cascade of {len(head.foreground_iou)}"
    return words


def training_in_words(training: Training) -> str:
    """How the weights came about, in one line."""
    minutes = f", {training.minutes:.0f} minutes" if training.minutes is not None else ""
    frozen = ", trunk frozen" if training.frozen_trunk else ""
    return (
        f"{training.epochs:g} epochs on {training.train_images} photos of {training.data}, seed {training.seed}"
        f"{frozen}, on {training.device}{minutes}; {training.date[:10]}, commit {training.commit}"
    )


def card_in_words(card: Card) -> list[tuple[str, str]]:
    """What a card says beside its head and figures: names and values, none of them empty."""
    rows = [
        ("classes", ", ".join(card.classes)),
        ("trunk", card.config.trunk.name),
        ("trained", training_in_words(card.training)),
    ]
    start = card.training.start
    if start is not None:
        rows.append(("started from", training_in_words(start)))
    elif card.training.started_from:
        rows.append(("started from", card.training.started_from))
    return rows
