"""The side panel: which photo, and how to read the two detectors."""

from dataclasses import dataclass

import streamlit as st

from app import detectors
from app.components.sample_strip import sample_strip
from app.photos import UPLOAD_TYPES, Photo, read_sample, read_upload, sample_paths
from obcn.checkpoints import Card
from obcn.offsets.codecs import BinCodec, DecodeRule

# What a newcomer sees before touching anything.
FIRST_SAMPLE = "dog"


@dataclass(frozen=True)
class Settings:
    """What the controls say.

    Attributes:
        rule: how the bin head decodes.
        stages: how many of its stages it uses.
        score: detections above it are shown.
        nms_iou: of two boxes of one class that overlap more, the weaker goes.
        device: where the networks run.
    """

    rule: DecodeRule
    stages: int
    score: float
    nms_iou: float
    device: str


def choose_photo() -> Photo | None:
    """Draw the photo's controls; the photo to look at, None if there is neither an upload nor a sample.

    Raises:
        UserError: the photo cannot be read.
    """
    state = st.session_state
    samples = {path.stem: path for path in sample_paths()}
    upload = st.file_uploader("Your photo", type=list(UPLOAD_TYPES), key="upload", on_change=_use_upload)
    if samples and state.get("sample") not in samples:
        state["sample"] = FIRST_SAMPLE if FIRST_SAMPLE in samples else next(iter(samples))
    chosen_upload = upload if state.get("source") == "upload" else None
    if samples:
        st.caption("or a sample, with its true boxes")
        sample_strip(list(samples.values()), None if chosen_upload else state["sample"], "samples", _use_sample)
    if chosen_upload is not None:
        return read_upload(chosen_upload.name, chosen_upload.getvalue())
    return read_sample(samples[state["sample"]]) if samples else None


def choose_settings(card: Card) -> Settings:
    """Draw the other controls.

    Args:
        card: the bin head's; it says how many stages there are to choose from.
    """
    codec = card.config.box_head.offsets.build()
    num_stages = codec.num_stages if isinstance(codec, BinCodec) else 1
    rules: tuple[DecodeRule, ...] = ("expectation", "argmax")
    rule = st.radio(
        "OBCN decodes by",
        rules,
        horizontal=True,
        key="rule",
        help="How a distribution becomes one offset: its mean, or its most probable bin.",
    )
    stages = st.radio(
        "Stages used",
        list(range(1, num_stages + 1)),
        index=num_stages - 1,
        horizontal=True,
        key="stages",
        help="Each further stage zooms in: a window as wide as one bin of the stage before, cut into bins again.",
    )
    score = st.slider(
        "Score threshold", 0.05, 0.95, 0.5, 0.05, key="score", help="Both detectors show the objects above it."
    )
    with st.expander("More"):
        nms_iou = st.slider(
            "NMS threshold (IoU)",
            0.3,
            0.9,
            0.5,
            0.05,
            key="nms",
            help="Of two boxes of one class that overlap more than this, the weaker goes.",
        )
        device = st.selectbox(
            "Device",
            detectors.devices(),
            key="device",
            help="Where the networks run. A GPU shows up here as cuda if there is one.",
        )
    return Settings(rule, stages, score, nms_iou, device)


def _use_upload() -> None:
    st.session_state["source"] = "upload"


def _use_sample() -> None:
    picked = st.session_state["samples"].picked
    if picked is not None:
        st.session_state["sample"] = picked
        st.session_state["source"] = "sample"
