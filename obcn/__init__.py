"""Offset Bin Classification Network (Qiu et al., CVPR 2020): detectors whose box head classifies offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from obcn.api import PhotoDetector

__all__ = ["load"]
__version__ = "0.1.0"


def load(name_or_file: str | Path, device: str = "cpu") -> PhotoDetector:
    """Open a detector.

    Args:
        name_or_file: a shipped checkpoint's name (``obcn models`` lists them), a .safetensors file with its card,
            or an .onnx file of any detector.
        device: where it runs, as torch names it.

    Raises:
        UserError: no such checkpoint, no card beside it, or not one that this package wrote; or no such device.

    Examples:
        >>> import obcn
        >>> detector = obcn.load("obcn")
        >>> found = detector.predict("dog.jpg")
        >>> found.names, found.boxes.shape
        (('dog',), (1, 4))
    """
    # Here, so that `import obcn` alone is quick: torch takes seconds.
    from obcn.api import open_detector

    return open_detector(name_or_file, device)
