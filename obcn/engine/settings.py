"""What a run is told, and what of that decides its outcome: kept in its state, so that ``--resume`` can compare."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from obcn.checkpoints import Training, find_checkpoint, read_card
from obcn.config import DetectorConfig
from obcn.data import Annotations
from obcn.engine.state import DamagedStateError, SavedState
from obcn.errors import UserError


@dataclass(frozen=True)
class TrainingOptions:
    """What a run is told beside its config and data.

    Attributes:
        output: folder for checkpoints, state, curves and metrics.
        data_name: what the card calls the data.
        epochs: overrides the config's; in a resumed run, more than it had.
        device: ``cpu`` or ``cuda``.
        seed: of every random choice; 0 by default.
        resume: go on from the state in ``output``; epochs, seed, init and freeze_trunk are then that run's.
        init: checkpoint to start from instead of ImageNet's trunk.
        freeze_trunk: train only the box head.
        validate_every: epochs between validations; the last epoch is always validated.
        save_every: steps between states on disk.
    """

    output: Path
    data_name: str
    epochs: int | None = None
    device: str = "cpu"
    seed: int | None = None
    resume: bool = False
    init: str | None = None
    freeze_trunk: bool = False
    validate_every: int = 1
    save_every: int = 200


class RunSettings(BaseModel):
    """Everything that decides a run's weights.

    Attributes:
        config: the detector's, as JSON values.
        classes: names in label order.
        train_data: digest of the training photos, boxes and classes.
        val_data: the same of the validation data.
        epochs: may grow when a run is resumed.
        seed: of every random choice.
        init: checkpoint that it started from.
        start: how that had been trained, as its card said when the run began.
        freeze_trunk: whether only the box head is trained.
        processes: among which the batches are divided; with another number the random choices are others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    config: dict[str, Any]
    classes: tuple[str, ...]
    train_data: str
    val_data: str
    epochs: int
    seed: int
    init: str | None
    start: Training | None
    freeze_trunk: bool
    processes: int = 1


def settings_of(
    config: DetectorConfig,
    train_set: Annotations,
    val_set: Annotations,
    options: TrainingOptions,
    saved: SavedState | None,
    processes: int = 1,
) -> RunSettings:
    """What decides this run; where it is resumed, what is not asked for anew is as it was.

    Raises:
        UserError: a resumed run would change, or its state holds no settings.
    """
    first = options.init if saved is None else None
    asked = RunSettings(
        config=config.model_dump(mode="json"),
        classes=train_set.classes,
        train_data=train_set.digest(),
        val_data=val_set.digest(),
        epochs=options.epochs or config.schedule.epochs,
        seed=options.seed or 0,
        init=options.init,
        start=None if first is None else read_card(find_checkpoint(first)).training,
        freeze_trunk=options.freeze_trunk,
        processes=processes,
    )
    if saved is None:
        return asked
    try:
        stored = RunSettings.model_validate(saved.settings)
    except ValidationError as error:
        raise DamagedStateError(f"{saved.path} is not the state of a training run") from error
    asked = asked.model_copy(
        update={
            "epochs": options.epochs or stored.epochs,
            "seed": stored.seed if options.seed is None else options.seed,
            "init": options.init or stored.init,
            "start": stored.start,
            "freeze_trunk": options.freeze_trunk or stored.freeze_trunk,
        }
    )
    _check_resumed(stored, asked, str(options.output))
    return asked


def differences(stored: RunSettings, asked: RunSettings) -> list[str]:
    """What a resumed run would change, each in words; but epochs."""
    before, after = _flat(stored.config), _flat(asked.config)
    found = [
        f"{name} is {_word(after.get(name))}, was {_word(before.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if stored.classes != asked.classes:
        found.append(f"the classes are {', '.join(asked.classes)}, were {', '.join(stored.classes)}")
    if stored.train_data != asked.train_data:
        found.append("the training data has other photos or boxes")
    if stored.val_data != asked.val_data:
        found.append("the validation data has other photos or boxes")
    for option in ("seed", "init", "freeze_trunk"):
        now, then = getattr(asked, option), getattr(stored, option)
        if now != then:
            found.append(f"--{option.replace('_', '-')} is {_word(now)}, was {_word(then)}")
    return found


def _check_resumed(stored: RunSettings, asked: RunSettings, where: str) -> None:
    """Refuse to go on with a run under other settings; more epochs are welcome.

    Args:
        stored: of the run.
        asked: of this call.
        where: the run's folder.

    Raises:
        UserError: something differs, or there are fewer epochs.
    """
    found = differences(stored, asked)
    if found:
        raise UserError(f"{where} holds a run with other settings: {'; '.join(found)}; choose another --output")
    if asked.epochs < stored.epochs:
        raise UserError(
            f"{where} is a run of {stored.epochs} epochs: --epochs {asked.epochs} cannot shorten it; leave it out, "
            "or give more"
        )


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Leaves by dotted path."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {name: leaf for key, part in tree.items() for name, leaf in _flat(part, f"{path}.{key}".strip(".")).items()}


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)
