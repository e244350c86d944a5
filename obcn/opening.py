"""Any detector by name or file: a checkpoint of this project, or an .onnx file from anywhere."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obcn.models.scoring import DetectorCard, PhotoScorer

EXPORTED = ".onnx"
WEIGHTS = ".data"


def is_exported(name_or_file: str | Path) -> bool:
    """Whether this names an .onnx file, and not a checkpoint."""
    return Path(name_or_file).suffix.lower() == EXPORTED


def hints_path(file: Path) -> Path:
    """Where the YAML lies that says of an .onnx file what it does not say itself."""
    return file.with_name(file.name + ".yaml")


def weights_path(file: Path) -> Path:
    """Where PyTorch's exporter puts the weights of an .onnx file that it does not put into the file."""
    return file.with_name(file.name + WEIGHTS)


def detector_name(name_or_file: str) -> str:
    """What a detector is called in records and tables: as :func:`~obcn.checkpoints.checkpoint_name` has it, or its
    .onnx file's name without the ending."""
    if is_exported(name_or_file):
        return Path(name_or_file).stem
    from obcn.checkpoints import checkpoint_name, find_checkpoint

    return checkpoint_name(find_checkpoint(name_or_file))


def open_detector(name_or_file: str, device: str = "cpu") -> "tuple[PhotoScorer, DetectorCard]":
    """A detector ready for inference, and its card.

    Args:
        name_or_file: a shipped checkpoint's name, a .safetensors file or an .onnx file.
        device: where it runs.

    Raises:
        UserError: no such detector, or a file that cannot be read or believed.
    """
    if is_exported(name_or_file):
        from obcn.exported import open_exported

        detector = open_exported(name_or_file, device)
        return detector, detector.card
    from obcn.checkpoints import load_for_inference

    return load_for_inference(name_or_file, device)
