"""Detectors from elsewhere, read from an .onnx file: their boxes, and the distributions behind them.

Needs ``pip install 'obcn[onnx]'``. The file is never changed. What is read is found by structure, and believed only
where decoding it gives back the boxes that the file itself computes (docs/any-detector.md).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from obcn.exported.detector import ExportedDetector


def open_exported(path: "str | Path", device: str = "cpu") -> "ExportedDetector":
    """A detector from an .onnx file; see :func:`obcn.exported.detector.open_exported`."""
    # The trial process imports this package, and has no need of PyTorch.
    from obcn.exported.detector import open_exported as opened

    return opened(path, device)
