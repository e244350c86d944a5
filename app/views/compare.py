"""Compare: one photo, two detectors that differ in how they say where a box goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import plotly.graph_objects as go
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from analysis.palette import DARK, LIGHT, Palette, Role
from app import detectors
from app.components.photo_pair import ClickableBox, Outline, PhotoPanel, photo_pair
from app.controls import Settings, choose_photo, choose_settings
from app.export import detections_json, figures_html
from app.figures.belief import COORDINATE_NAMES, COORDINATES, Belief, Rival, belief_of, box_iou
from app.figures.crops import refinement_figure, verdicts_figure
from app.figures.histograms import coordinate_histograms
from app.markup import facts, line_key, numbers_table
from app.objects import FLOOR, HEADS, FoundObject, Head, find_objects, locate
from app.photos import Photo
from obcn.checkpoints import Card
from obcn.errors import UserError
from obcn.explain import PhotoDetections, select
from obcn.models.roi_heads import DetectionThresholds
from obcn.offsets.codecs import BinCodec, DecodeRule

Found = dict[Head, PhotoDetections]

TITLES: dict[Head, str] = {"regression": "Regression", "obcn": "OBCN"}
BARE = {"displayModeBar": False}

HISTOGRAMS_SAY = (
    "One tall bar: OBCN is sure. A wide hill: it is not, and its mean and peak part. Outlined ends: further out than "
    "the bins reach. The lower row enlarges the shaded window of the upper one."
)
REFINEMENT_SAY = "How OBCN got there: stage 1 moves the candidate, the later stages correct it by a hair."
VERDICTS_SAY = "Who is closest: compare where each answer puts the four sides of this object."


def main() -> None:
    """Draw the page."""
    st.header("Compare", anchor=False)
    st.markdown(
        "Two detectors differ only in how they say *where a box goes*: **regression** gives one number per "
        "coordinate, **OBCN** a distribution. **Click a box** to see it."
    )
    st.html('<p class="obcn-narrow">Photos and settings: » at the top.</p>')
    missing = detectors.missing_checkpoints()
    if missing:
        _explain_training(missing)
        return
    try:
        cards = {head: detectors.card_of(head) for head in HEADS}
        top, below = st.sidebar.container(), st.sidebar.container()
        # The photo comes last: where it cannot be read, the other controls stand and keep what they were set to.
        with below:
            settings = choose_settings(cards["obcn"])
        with top:
            photo = choose_photo()
        if photo is None:
            st.info("Drop a photo into the side panel to begin.", icon=":material/add_photo_alternate:")
            return
        if failure := st.session_state.pop("failure", None):
            raise UserError(failure)
        _compare(photo, settings, cards)
    except UserError as error:
        st.error(str(error), icon=":material/error:")


def _compare(photo: Photo, settings: Settings, cards: dict[Head, Card]) -> None:
    palette = DARK if st.context.theme.type == "dark" else LIGHT
    if any(detectors.stored_scores(photo, head, settings.device) is None for head in HEADS):
        _look(photo, settings, palette)
    found = {head: _detect(photo, head, settings, cards[head]) for head in HEADS}
    objects = find_objects(found["regression"], found["obcn"], settings.score, photo.truth)
    chosen = _remembered(photo, objects)
    _draw_pair(photo, _panels(photo, found, objects, chosen, settings), objects, chosen, palette)
    if chosen is None:
        _explain_nothing(found, settings, cards["obcn"])
    else:
        _show_object(photo, found, objects, chosen, settings, palette, cards)


def _look(photo: Photo, settings: Settings, palette: Palette) -> NoReturn:
    """Run both networks, then the page again.

    The photo stands there at once and the boxes join it: same widget, same place, so nothing jumps.
    """
    _draw_pair(photo, _busy_panels(settings), [], None, palette)
    try:
        for head in HEADS:
            detectors.scores(photo, head, settings.device)
    except UserError as error:
        st.session_state["failure"] = str(error)  # told by the next run, where nobody is looking any more
    st.rerun()


def _detect(photo: Photo, head: Head, settings: Settings, card: Card) -> PhotoDetections:
    """Every detection down to the floor: what lies below the score threshold explains what the other head sees."""
    codec = card.config.box_head.offsets.build().decoding(settings.rule)
    if isinstance(codec, BinCodec):
        codec = codec.decoding(num_stages=settings.stages)
    thresholds = DetectionThresholds(score=FLOOR, nms_iou=settings.nms_iou, per_image=300)
    return select(detectors.scores(photo, head, settings.device), codec, thresholds)


# The photo


def _draw_pair(
    photo: Photo, panels: list[PhotoPanel], objects: list[FoundObject], chosen: int | None, palette: Palette
) -> None:
    st.session_state["shown"] = [(photo.digest, item.name, item.box) for item in objects]
    photo_pair(photo, panels, chosen, palette, "pair", _choose_by_click)


def _busy_panels(settings: Settings) -> list[PhotoPanel]:
    return [
        PhotoPanel("regression", "Regression", "", "regression", "", busy="Regression is looking…"),
        PhotoPanel("obcn", "OBCN", _decoding(settings), settings.rule, "", busy="OBCN is looking…"),
    ]


def _panels(
    photo: Photo, found: Found, objects: list[FoundObject], chosen: int | None, settings: Settings
) -> list[PhotoPanel]:
    truth: list[Outline] = []
    if photo.truth is not None:
        named = zip(photo.truth.names, photo.truth.boxes.tolist(), strict=True)
        truth = [Outline("truth", f"truth: {name}", box) for name, box in named]
    left, right = (_clickable(found[head], head, objects) for head in HEADS)
    other_rule: list[Outline] = []
    row = objects[chosen].rows["obcn"] if chosen is not None and objects[chosen].reported_by("obcn") else None
    if row is not None:
        other: DecodeRule = "argmax" if settings.rule == "expectation" else "expectation"
        box = belief_of(found["obcn"], row, {}).by_rule[other]
        other_rule = [Outline(other, f"OBCN, {other}", box.tolist())]
    return [
        PhotoPanel("regression", "Regression", "", "regression", _count(left), left, truth),
        PhotoPanel("obcn", "OBCN", _decoding(settings), settings.rule, _count(right), right, [*truth, *other_rule]),
    ]


def _clickable(found: PhotoDetections, head: Head, objects: list[FoundObject]) -> list[ClickableBox]:
    return [
        ClickableBox(number, f"{item.name} {item.scores[head]:.2f}", found.boxes[item.rows[head]].tolist())
        for number, item in enumerate(objects)
        if item.reported_by(head)
    ]


def _decoding(settings: Settings) -> str:
    return f"{settings.rule} · {settings.stages} stage{'s' if settings.stages > 1 else ''}"


def _count(boxes: Sequence[ClickableBox]) -> str:
    return f"{len(boxes) or 'no'} object{'' if len(boxes) == 1 else 's'}"


# Which object


def _remembered(photo: Photo, objects: list[FoundObject]) -> int | None:
    """The chosen object, found again by its place after a threshold has moved; else the best one."""
    if not objects:
        return None
    digest, name, box = st.session_state.get("chosen", ("", "", torch.zeros(4)))
    index = locate(objects, name, box) if digest == photo.digest else None
    return 0 if index is None else index


def _choose_by_click() -> None:
    clicked = st.session_state["pair"].chosen
    if clicked is not None:
        _choose(int(clicked))


def _choose_from_list() -> None:
    _choose(st.session_state["object"])


def _choose(index: int) -> None:
    shown = st.session_state.get("shown", [])
    # A click can arrive from a page drawn before the photo or the threshold changed.
    if 0 <= index < len(shown):
        st.session_state["chosen"] = shown[index]


def _in_list(objects: list[FoundObject], index: int) -> str:
    item = objects[index]
    only = [TITLES[head] for head in HEADS if item.reported_by(head)]
    return f"{index + 1} of {len(objects)}: {item.name}" + (f", only {only[0]}" if len(only) == 1 else "")


# The chosen object


def _show_object(
    photo: Photo,
    found: Found,
    objects: list[FoundObject],
    chosen: int,
    settings: Settings,
    palette: Palette,
    cards: dict[Head, Card],
) -> None:
    item = objects[chosen]
    belief = _belief(photo, found, item)
    st.session_state["object"] = chosen
    pick, numbers = st.columns([1, 3], vertical_alignment="bottom")
    pick.selectbox(
        "Object",
        range(len(objects)),
        format_func=lambda index: _in_list(objects, index),
        key="object",
        on_change=_choose_from_list,
        help="Click a box in either photo, or choose from this list.",
    )
    numbers.html(facts(_facts(photo, found, item, belief)))
    downloads = [
        (
            "Detections as JSON",
            f"{Path(photo.name).stem}-detections.json",
            "application/json",
            lambda: detections_json(
                photo.name,
                found,
                {head: card.classes for head, card in cards.items()},
                settings.score,
                settings.rule,
                settings.stages,
            ),
        )
    ]
    if belief is None:
        st.info(f"OBCN saw no {item.name} here, not even weakly, so there is no belief to show.")
    else:
        page = _show_belief(photo, belief, settings, palette, item)
        downloads.append(("Figures as HTML", f"{Path(photo.name).stem}-{item.name}.html", "text/html", page))
    with st.container(horizontal=True):
        for label, file_name, kind, make in downloads:
            st.download_button(label, make, file_name, kind, icon=":material/download:", on_click="ignore")


def _show_belief(photo: Photo, belief: Belief, settings: Settings, palette: Palette, item: FoundObject):
    """Draw the figures; returns what makes the page to download."""
    if not item.reported_by("obcn"):
        st.info(
            f"OBCN does not report this {item.name}: its score is below {settings.score:.2f}. "
            "The figures show its best candidate here.",
            icon=":material/visibility_off:",
        )
    roles: list[Role] = ["expectation", "argmax", *belief.rivals, "candidate"]
    st.subheader(f"What OBCN believes about this {item.name}", anchor=False)
    st.caption(HISTOGRAMS_SAY)
    st.html(line_key(palette, roles))
    histograms = [coordinate_histograms(belief, name, palette) for name in COORDINATES]
    for name, column, figure in zip(COORDINATES, st.columns(4), histograms, strict=True):
        alt = f"Distribution of {COORDINATE_NAMES[name]} over the bins of each stage"
        _draw(column, figure, alt)
    refinement = refinement_figure(photo.image, belief, palette)
    verdicts = verdicts_figure(photo.image, belief, palette)
    left, right = st.columns(2)
    for column, title, sentence, figure in (
        (left, "From candidate to box", REFINEMENT_SAY, refinement),
        (right, "Where each one puts it", VERDICTS_SAY, verdicts),
    ):
        column.subheader(title, anchor=False)
        column.caption(sentence)
        _draw(column, figure, title)
    st.subheader("All boxes in numbers", anchor=False)
    st.caption("In pixels of the photo. ± is the standard deviation of stage 1's distribution: how unsure OBCN is.")
    table = numbers_table(belief, palette)
    st.html(table)
    sections = [(HISTOGRAMS_SAY, histograms), (REFINEMENT_SAY, [refinement]), (VERDICTS_SAY, [verdicts])]
    return lambda: figures_html(f"{photo.name}: {item.name}", line_key(palette, roles), table, sections)


def _draw(column: DeltaGenerator, figure: go.Figure, alt: str) -> None:
    # Streamlit builds a chart anew whenever its figure changes; a box of its height keeps the place open meanwhile.
    place = column.container(height=figure.layout.height, border=False)
    place.plotly_chart(figure, theme=None, key=alt, config=BARE, alt=alt)


def _belief(photo: Photo, found: Found, item: FoundObject) -> Belief | None:
    if item.rows["obcn"] is None:
        return None
    rivals: dict[Rival, torch.Tensor] = {}
    if item.rows["regression"] is not None:
        rivals["regression"] = found["regression"].boxes[item.rows["regression"]]
    if photo.truth is not None and item.truth is not None:
        rivals["truth"] = photo.truth.boxes[item.truth]
    return belief_of(found["obcn"], item.rows["obcn"], rivals)


def _facts(
    photo: Photo, found: Found, item: FoundObject, belief: Belief | None
) -> list[tuple[str, list[tuple[str, str]]]]:
    boxes = {head: found[head].boxes[row] for head, row in item.rows.items() if row is not None}
    truth = photo.truth.boxes[item.truth] if photo.truth is not None and item.truth is not None else None
    cards = []
    for head in HEADS:
        values = [(f"{item.scores[head]:.2f}", "score" if item.reported_by(head) else "score, not reported")]
        if head not in boxes:
            values = [("none", "saw nothing here")]
        elif truth is not None:
            values.append((f"{box_iou(boxes[head], truth):.2f}", "IoU with truth"))
        cards.append((TITLES[head], values))
    if len(boxes) == len(HEADS):
        cards.append(("Both boxes", [(f"{box_iou(*boxes.values()):.2f}", "IoU with each other")]))
    if belief is not None:
        spreads: list[tuple[str, str]] = [(f"{belief.spread_pixels(name, 0):.3g}", name) for name in COORDINATES]
        cards.append(("OBCN's spread, in pixels", spreads))
    return cards


# When there is nothing to compare


def _explain_nothing(found: Found, settings: Settings, card: Card) -> None:
    best = max(((float(each.scores[0]), each.names[0]) for each in found.values() if len(each)), default=None)
    guess = f" The best guess was {best[1]} at {best[0]:.2f}." if best else ""
    st.info(
        f"**No object scores above {settings.score:.2f} in this photo.**{guess} Lower the score threshold in the side "
        f"panel, pick a sample, or try a photo of one of these: {', '.join(card.classes)}.",
        icon=":material/search_off:",
    )


def _explain_training(missing: list[Head]) -> None:
    st.info(
        f"**There is no checkpoint for {' and '.join(TITLES[head] for head in missing)} yet.** The app needs one of "
        "each head in `checkpoints/`. These commands make them from your own COCO or VOC data:",
        icon=":material/model_training:",
    )
    commands = [
        f"obcn train compact_{head} --data data.yaml --output runs/{head}\n"
        f"cp runs/{head}/best.safetensors checkpoints/{head}.safetensors\n"
        f"cp runs/{head}/best.json checkpoints/{head}.json"
        for head in missing
    ]
    st.code("\n\n".join(commands), language="bash")
    st.caption("`obcn train --help` says what data.yaml holds. Reload this page when they are there.")


main()
