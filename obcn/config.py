"""What a detector and its training are, as one YAML file with no hidden defaults worth guessing at.

Unknown keys are errors. ``obcn models`` prints the configs that ship. Every number has bounds that no real detector
reaches: a card from outside says what is built, and must not say how much memory is gone before anybody notices.
"""

import math
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from obcn.errors import UserError
from obcn.offsets import (
    BinCodec,
    DistanceBinCodec,
    OffsetCodec,
    RegressionCodec,
    RepooledCodec,
    SupportPointCodec,
    hierarchical_ranges,
)
from obcn.offsets.codecs import RegressionLoss, ResidualOrigin
from obcn.offsets.distribution import DecodeRule
from obcn.resources import ROOT
from obcn.yaml_files import read_yaml

SHIPPED_CONFIGS = ROOT / "configs"


def _no_nan(value: float) -> float:
    if math.isnan(value):
        raise ValueError("must be a number")
    return value


_Bins = Annotated[int, Field(ge=1, le=1000)]
_Stages = Annotated[int, Field(ge=1, le=10)]
# Of offsets: 1000 is a hundred times the candidate's own size.
_Reach = Annotated[float, Field(ge=1e-6, le=1000)]
_Side = Annotated[int, Field(ge=32, le=4096)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Proposals = Annotated[int, Field(ge=1, le=20_000)]
_Mean = Annotated[float, Field(ge=-1000, le=1000)]
_Spread = Annotated[float, Field(ge=1e-3, le=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RegressionOffsets(_Strict):
    """The baseline: four numbers per candidate, and four more at the refined box in every further (repooled) stage."""

    codec: Literal["regression"]
    loss: RegressionLoss = "smooth_l1"
    beta: _Reach = 1.0
    num_stages: _Stages = 1
    class_agnostic: bool = True

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        look = RegressionCodec(self.loss, self.beta)
        return look if self.num_stages == 1 else RepooledCodec((look,) * self.num_stages)


class BinOffsets(_Strict):
    """Offset bins: K stages of m uniform bins and two tails per coordinate.

    Later stages look at the ``shared`` features of the first, or have layers of their own on features ``repooled`` at
    the box that the earlier stages predict.
    """

    codec: Literal["bins"]
    num_bins: _Bins = 20
    half_range: _Reach = 3.0
    num_stages: _Stages = 1
    ranges: Annotated[tuple[Annotated[float, Field(gt=0, le=1000)], ...], Field(max_length=10)] | None = None
    decode: DecodeRule = "expectation"
    residual_from: ResidualOrigin = "prediction"
    stage_features: Literal["shared", "repooled"] = "shared"
    class_agnostic: bool = True

    @model_validator(mode="after")
    def _repooled_at_the_prediction(self) -> "BinOffsets":
        if self.stage_features == "repooled" and self.residual_from != "prediction":
            raise ValueError("stage_features: repooled looks again where the prediction is: residual_from: prediction")
        return self

    @model_validator(mode="after")
    def _ranges_fit_stages(self) -> "BinOffsets":
        if self.ranges is not None and len(self.ranges) != self.num_stages:
            raise ValueError(f"ranges lists {len(self.ranges)} stages, num_stages says {self.num_stages}")
        return self

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        ranges = self.ranges or hierarchical_ranges(self.num_bins, self.half_range, self.num_stages)
        if self.stage_features == "repooled" and self.num_stages > 1:
            return RepooledCodec(tuple(BinCodec(self.num_bins, (half_range,), self.decode) for half_range in ranges))
        return BinCodec(self.num_bins, ranges, self.decode, self.residual_from)


class DflOffsets(_Strict):
    """Distribution focal loss: n uniform support points over [-a, a] per coordinate."""

    codec: Literal["dfl"]
    num_points: int = Field(22, ge=2, le=1000)
    half_range: _Reach = 3.0
    decode: DecodeRule = "expectation"
    class_agnostic: bool = True

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        return SupportPointCodec.dfl(self.num_points, self.half_range, self.decode)


class DfineOffsets(_Strict):
    """D-FINE's support points: dense around 0, the last two at a and 2a; an odd number of them."""

    codec: Literal["dfine"]
    num_points: int = Field(23, ge=5, le=1000)
    half_range: _Reach = 3.0
    flatness: float = Field(0.5, ge=1e-6, le=1000)
    decode: DecodeRule = "expectation"
    class_agnostic: bool = True

    @field_validator("num_points")
    @classmethod
    def _one_point_is_zero(cls, num_points: int) -> int:
        if num_points % 2 == 0:
            raise ValueError("must be odd, so that one point is zero")
        return num_points

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        return SupportPointCodec.dfine(self.num_points, self.half_range, self.flatness, self.decode)


class DistanceBinOffsets(_Strict):
    """Distance-aware bins: a sigmoid for each of m uniform bins and two tails per coordinate."""

    codec: Literal["distance_bins"]
    num_bins: _Bins = 20
    half_range: _Reach = 3.0
    sigma: float = Field(1.0, ge=1e-3, le=1000)
    decode: DecodeRule = "expectation"
    class_agnostic: bool = True

    def build(self) -> OffsetCodec:
        """The codec that these settings describe."""
        return DistanceBinCodec(self.num_bins, self.half_range, self.sigma, rule=self.decode)


Offsets = Annotated[
    RegressionOffsets | BinOffsets | DflOffsets | DfineOffsets | DistanceBinOffsets, Field(discriminator="codec")
]


class InputConfig(_Strict):
    """How a photo is resized and normalised; sizes in pixels.

    The short side becomes ``min_size`` (in training, one of ``train_min_sizes`` by chance), unless the long side
    would then exceed ``max_size``. In training a photo is cropped around objects, or its colours change, so often.
    """

    min_size: _Side
    max_size: _Side
    train_min_sizes: tuple[_Side, ...] = Field(min_length=1, max_length=1000)
    mean: tuple[_Mean, _Mean, _Mean] = (0.485, 0.456, 0.406)
    std: tuple[_Spread, _Spread, _Spread] = (0.229, 0.224, 0.225)
    crop: _Share = 0.0
    recolour: _Share = 0.0


class TrunkConfig(_Strict):
    """Backbone and feature pyramid."""

    name: Literal["tf_efficientnet_lite0", "resnet50", "resnet101", "resnext101_32x8d"]
    fpn_channels: int = Field(256, ge=1, le=2048)
    frozen_stages: int = Field(
        2, ge=0, le=100, description="how many of the first backbone stages keep their ImageNet weights"
    )


class ProposalConfig(_Strict):
    """Region proposal network. One tuple of anchor sizes (pixels) per pyramid level, the pooled one included."""

    anchor_sizes: tuple[
        Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1, max_length=16)], ...
    ] = Field(max_length=10)
    aspect_ratios: tuple[Annotated[float, Field(ge=1e-3, le=1000)], ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, max_length=16
    )
    pre_nms_train: _Proposals = 2000
    pre_nms_test: _Proposals = 1000
    post_nms_train: _Proposals = 2000
    post_nms_test: _Proposals = 1000


class SelectionConfig(_Strict):
    """How scored boxes are ranked and duplicates merged; see :class:`~obcn.models.selection.DetectionThresholds`."""

    rank_by: Literal["score", "certainty"] = "score"
    merge_by: Literal["suppression", "voting"] = "suppression"
    certainty_weight: float = Field(default=1.0, ge=0, le=100)
    voting_sigma: float = Field(default=0.025, gt=0, le=100)


class BoxHeadConfig(_Strict):
    """The second stage. More than one foreground IoU makes a cascade of as many stages."""

    offsets: Offsets
    hidden: int = Field(1024, ge=1, le=8192)
    candidates_per_image: _Proposals = 512
    positive_fraction: float = Field(0.25, gt=0, le=1)
    foreground_iou: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((0.5,), min_length=1, max_length=10)
    box_loss_weight: float = Field(1.0, gt=0, le=1e6)
    selection: SelectionConfig = SelectionConfig()

    @model_validator(mode="after")
    def _offsets_can_be_built(self) -> "BoxHeadConfig":
        self.offsets.build()  # a codec knows best what it needs, and says so in a ValueError
        return self

    @model_validator(mode="after")
    def _cascade_is_class_agnostic(self) -> "BoxHeadConfig":
        if len(self.foreground_iou) > 1 and not self.offsets.class_agnostic:
            raise ValueError("a cascade (more than one foreground_iou) needs class_agnostic: true")
        return self

    @model_validator(mode="after")
    def _looks_again_at_one_box(self) -> "BoxHeadConfig":
        if isinstance(self.offsets.build(), RepooledCodec):
            if len(self.foreground_iou) > 1:
                raise ValueError("a cascade (more than one foreground_iou) refines its boxes by itself: one stage each")
            if not self.offsets.class_agnostic:
                raise ValueError("repooled stages need class_agnostic: true, for the class's box is not known yet")
        return self

    @model_validator(mode="after")
    def _certainty_needs_a_distribution(self) -> "BoxHeadConfig":
        if self.selection.rank_by == "certainty" and not self.offsets.build().num_stages:
            raise ValueError("selection.rank_by: certainty needs a head that keeps a distribution; regression has none")
        return self


class ScheduleConfig(_Strict):
    """SGD with linear warm-up, then steps or a half cosine.

    The warm-up lasts the share ``warmup`` of the run, but no more than ``warmup_steps``: a short run warms up shortly.
    """

    epochs: int = Field(12, ge=1, le=100_000)
    batch_size: int = Field(4, ge=1, le=10_000)
    lr: float = Field(0.005, gt=0, le=1000)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    warmup: _Share = 0.1
    warmup_steps: int = Field(500, ge=0, le=10**9)
    shape: Literal["step", "cosine"] = "step"
    milestones: tuple[Annotated[int, Field(ge=0, le=10**9)], ...] = Field((8, 11), max_length=1000)
    # Infinite does not clip.
    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=True), AfterValidator(_no_nan)] = 10.0


class DetectorConfig(_Strict):
    """Everything that decides what is built and how it is trained, but the data."""

    name: str
    input: InputConfig
    trunk: TrunkConfig
    proposals: ProposalConfig
    box_head: BoxHeadConfig
    schedule: ScheduleConfig


def load_config(name_or_path: str) -> DetectorConfig:
    """Read a shipped config by name, or a YAML file by path.

    Raises:
        UserError: no such config, not YAML, or a key that is unknown, missing or out of range.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = SHIPPED_CONFIGS / f"{name_or_path}.yaml"
    if not os.path.isfile(path):
        shipped = ", ".join(sorted(p.stem for p in SHIPPED_CONFIGS.glob("*.yaml")))
        raise UserError(f"no config {name_or_path!r}: give a YAML file, or one of {shipped}")
    return read_yaml(path, DetectorConfig)
