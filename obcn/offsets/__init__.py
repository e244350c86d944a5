"""The mathematics on plain tensors: how the paper and its successors write four offsets as network outputs."""

from obcn.offsets.bins import UniformBins, hierarchical_ranges
from obcn.offsets.box_code import BoxCode, Coordinate, OffsetCode, SideCode
from obcn.offsets.boxes import OFFSET_WEIGHTS, decode_boxes, encode_boxes
from obcn.offsets.codecs import BinCodec, OffsetCodec, RegressionCodec
from obcn.offsets.distance_bins import DistanceBinCodec
from obcn.offsets.distribution import OffsetExplanation, StageExplanation
from obcn.offsets.repooled import RepooledCodec
from obcn.offsets.support_points import SupportPointCodec, SupportPoints

__all__ = [
    "OFFSET_WEIGHTS",
    "BinCodec",
    "BoxCode",
    "Coordinate",
    "DistanceBinCodec",
    "OffsetCode",
    "OffsetCodec",
    "OffsetExplanation",
    "RegressionCodec",
    "RepooledCodec",
    "SideCode",
    "StageExplanation",
    "SupportPointCodec",
    "SupportPoints",
    "UniformBins",
    "decode_boxes",
    "encode_boxes",
    "hierarchical_ranges",
]
