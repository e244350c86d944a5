"""The paper's mathematics on plain tensors: how four offsets are written as network outputs."""

from obcn.offsets.bins import UniformBins, hierarchical_ranges
from obcn.offsets.boxes import OFFSET_WEIGHTS, decode_boxes, encode_boxes
from obcn.offsets.codecs import (
    BinCodec,
    OffsetCodec,
    OffsetExplanation,
    RegressionCodec,
    StageExplanation,
)

__all__ = [
    "OFFSET_WEIGHTS",
    "BinCodec",
    "OffsetCodec",
    "OffsetExplanation",
    "RegressionCodec",
    "StageExplanation",
    "UniformBins",
    "decode_boxes",
    "encode_boxes",
    "hierarchical_ranges",
]
