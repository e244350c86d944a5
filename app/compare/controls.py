"""The side panel: which photo, which models, and how to read them."""

from collections.abc import Mapping

import streamlit as st

from app import detectors
from app.compare import links
from app.compare.comparison import Settings, num_stages
from app.components.sample_strip import sample_strip
from app.detectors import ModelFile, first_models
from app.markup import plain
from app.photos import UPLOAD_TYPES, Photo, sample_paths
from obcn.figures.lines import MOST_MODELS
from obcn.models.selection import MergeBy, RankBy
from obcn.offsets.codecs import DecodeRule

TEMPERATURES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)

# What visitors choose from; None leaves it to each model's card.
RANKINGS: dict[str, RankBy | None] = {"as shipped": None, "class score": "score", "score and certainty": "certainty"}
MERGERS: dict[str, MergeBy | None] = {"as shipped": None, "suppression": "suppression", "voting": "voting"}


def choose_photo() -> Photo | None:
    """Draw the photo's controls; the photo to look at, None if there is neither an upload nor a sample.

    Raises:
        UserError: a sample cannot be read.
    """
    samples = {path.stem: path for path in sample_paths()}
    st.file_uploader(
        "Your photo",
        type=list(UPLOAD_TYPES),
        key="upload",
        on_change=_use_upload,
        help="It stays in this server's memory for a while: whoever has the link in the address bar sees it too.",
    )
    strip = st.container()
    opened = links.open_photo(samples)
    if samples:
        with strip:
            st.caption("or a sample, with its true boxes")
            sample_strip(list(samples.values()), opened.sample, "samples", _use_sample)
    if opened.notice:
        instead = " This is a sample instead." if opened.photo else ""
        st.warning(plain(opened.notice) + instead, icon=":material/link_off:")
    return opened.photo


def choose_models(models: Mapping[str, ModelFile]) -> dict[str, ModelFile]:
    """Draw the choice of models; those chosen, in the order in which they are known.

    Args:
        models: all there are; at least one.
    """
    first = [name for name in first_models() if name in models] or list(models)[:2]
    chosen = st.multiselect(
        "Models",
        list(models),
        default=first,
        max_selections=MOST_MODELS,
        key="models",
        bind="query-params",
        placeholder="Choose at least one",
        help="Side by side, each with a line of its own. Any checkpoint with a card can be compared.",
    )
    return {name: model for name, model in models.items() if name in chosen}


def choose_settings(models: Mapping[str, ModelFile]) -> Settings:
    """Draw the other controls.

    Args:
        models: the chosen ones; they say how many stages there are to choose from.
    """
    most_stages = max([num_stages(model.card) for model in models.values()], default=0)
    rules: tuple[DecodeRule, ...] = ("expectation", "argmax")
    rule = st.radio(
        "Decode by",
        rules,
        horizontal=True,
        key="rule",
        bind="query-params",
        disabled=not most_stages,
        help="How a distribution becomes one offset: its mean, or its most probable bin. Regression has neither.",
    )
    stages = most_stages
    if most_stages > 1:
        stages = st.radio(
            "Stages used",
            list(range(1, most_stages + 1)),
            index=most_stages - 1,
            horizontal=True,
            key="stages",
            bind="query-params",
            help="Each further stage zooms in: a narrower window around where the stages before put the box, cut into "
            "bins again.",
        )
    temperature = st.select_slider(
        "Temperature",
        TEMPERATURES,
        1.0,
        format_func=lambda value: f"{value:g}",
        key="temperature",
        bind="query-params",
        disabled=not most_stages,
        help="Divides the outputs of heads that have distributions before they are read: below 1 every distribution "
        "gets sharper and its mean nears its peak, above 1 it gets flatter and its mean nears the middle. "
        "Regression has no distribution and does not move.",
    )
    score = st.slider(
        "Score threshold",
        0.05,
        0.95,
        0.5,
        0.05,
        key="score",
        bind="query-params",
        help="All models show the objects above it.",
    )
    with st.expander("More"):
        nms_iou = st.slider(
            "NMS threshold (IoU)",
            0.3,
            0.9,
            0.5,
            0.05,
            key="nms",
            bind="query-params",
            help="Of two boxes of one class that overlap more than this, the weaker goes.",
        )
        rank_by = st.selectbox(
            "Rank by",
            RANKINGS,
            key="rank",
            bind="query-params",
            disabled=not most_stages,
            help="A head with distributions knows how unsure it is of a box: the wider they are, the further down the "
            "box goes. Of two boxes on one object the surer one stays. Regression ranks by class score alone.",
        )
        merge_by = st.selectbox(
            "Merge by",
            MERGERS,
            key="merge",
            bind="query-params",
            help="Suppression keeps the best of the boxes on an object as it is. Voting moves each of its sides to the "
            "mean of all of them, and a side that its head is sure of counts for more.",
        )
        device = st.selectbox(
            "Device",
            detectors.devices(),
            key="device",
            help="Where the networks run. A GPU shows up here as cuda if there is one.",
        )
    return Settings(rule, max(stages, 1), score, nms_iou, temperature, device, RANKINGS[rank_by], MERGERS[merge_by])


def _use_upload() -> None:
    upload = st.session_state["upload"]
    if upload is None:
        links.forget_upload()
    else:
        links.show_upload(upload.name, upload.getvalue())


def _use_sample() -> None:
    picked = st.session_state["samples"].picked
    if picked is not None:
        links.show_sample(picked)
