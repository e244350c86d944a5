"""Offset Bin Classification Network (Qiu et al., CVPR 2020): detectors whose box head classifies offsets."""

__version__ = "0.1.0"
