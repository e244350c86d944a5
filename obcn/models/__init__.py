"""Detectors built from torchvision's parts around one seam, the offset codec."""

from obcn.models.detector import build_detector

__all__ = ["build_detector"]
