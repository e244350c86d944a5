"""The side panel: which photo, which models, and how to read them."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app import detectors
from app.compare import links
from app.compare.comparison import Settings, num_stages
from app.components.sample_strip import StripPhoto, sample_strip
from app.detectors import ModelFile, first_models
from app.markup import plain
from app.paths import typed_path
from app.photos import UPLOAD_TYPES, Photo, sample_paths
from app.uploads import stored_name
from obcn.data import read_photo
from obcn.errors import UserError
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
        "Your photos",
        type=list(UPLOAD_TYPES),
        accept_multiple_files=True,
        key="upload",
        on_change=_use_uploads,
        help="They stay in this server's memory for a while: whoever has the link in the address bar sees that photo.",
    )
    strip = st.container()
    opened = links.open_photo(samples)
    if samples:
        with strip:
            st.caption("or a sample, with its true boxes")
            strip_photos = [
                StripPhoto(name, name.replace("_", " "), partial(read_photo, path)) for name, path in samples.items()
            ]
            sample_strip(strip_photos, opened.sample, "Sample photos", "samples", _use_sample)
    if opened.notice:
        instead = " This is a sample instead." if opened.photo else ""
        st.warning(plain(opened.notice) + instead, icon=":material/link_off:")
    return opened.photo


def choose_among_uploads() -> None:
    """Draw what steps through the visitor's photos, where there are several."""
    uploads = links.own_uploads()
    if len(uploads) > 1:
        photos = [StripPhoto(key, name, partial(links.picture_of_upload, key)) for key, name in uploads.items()]
        sample_strip(photos, links.shown_upload(), "Your photos", "uploads", _use_another, row=True)


def choose_models(models: Mapping[str, ModelFile]) -> dict[str, ModelFile]:
    """Draw the choice of models; those chosen, in the order in which they are known.

    Args:
        models: all there are; at least one.
    """
    # Streamlit forgets the photos' control when a visitor leaves the page.
    wanted = links.wanted_models(models, came="upload" not in st.session_state)
    first = [name for name in first_models() if name in models] or list(models)[:2]
    chosen = st.multiselect(
        "Models",
        list(models),
        default=first,
        max_selections=MOST_MODELS,
        key="models",
        bind="query-params",
        on_change=links.forget_wanted,
        placeholder="Choose at least one",
        help="Side by side, each with a line of its own. Any checkpoint with a card can be compared.",
    )
    for name, file in wanted.items():
        st.warning(
            f"This link also compares **{plain(name)}**, which is not loaded here"
            + (f": it wants the file {plain(file)}." if file else "."),
            icon=":material/link_off:",
        )
        if file:
            st.button(f"Load {plain(name)}", key=f"load-{name}", on_click=_load, args=(file, chosen), width="stretch")
    if failure := st.session_state.pop("load-failure", None):
        st.error(plain(failure), icon=":material/error:")
    shown = {name: model for name, model in models.items() if name in chosen}
    links.name_files(shown.values(), wanted.values())
    return shown


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
        help="All models show the objects above it. The score is the class score or, where a model ranks by certainty, "
        "the class score lowered by how unsure it is of the box: its rank.",
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


def _load(file: str, chosen: Sequence[str]) -> None:
    try:
        names = detectors.add_folder(typed_path(file))
    except UserError as error:
        st.session_state["load-failure"] = str(error)
    else:
        st.session_state["models"] = [*chosen, *names][-MOST_MODELS:]


def _use_uploads() -> None:
    links.take_uploads([(stored_name(file.name), file.getvalue()) for file in st.session_state["upload"]])


def _use_another() -> None:
    picked = st.session_state["uploads"].picked
    if picked is not None:
        links.show_upload(picked)


def _use_sample() -> None:
    picked = st.session_state["samples"].picked
    if picked is not None:
        links.show_sample(picked)
