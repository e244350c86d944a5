"""Compare: one photo, several detectors that differ in how they say where a box goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import streamlit as st

from app import detectors
from app.compare import links, scoring
from app.compare.comparison import Comparison, Settings, compare
from app.compare.controls import choose_among_uploads, choose_models, choose_photo, choose_settings
from app.compare.dimming import dim_all_but, objects_key
from app.compare.found_objects import FoundObject, locate
from app.compare.object_view import draw_object, headline, view_of
from app.compare.panels import busy_panels, panels
from app.compare.report import detections_table, report_html
from app.components.photo_pair import PhotoPanel, photo_pair
from app.detectors import ModelFile
from app.markup import plain
from app.photos import Photo
from app.widgets import theme_palette
from obcn.errors import UserError
from obcn.figures.belief import box_iou
from obcn.figures.lines import model_lines, with_models
from obcn.figures.palette import LIGHT, Palette


def main() -> None:
    """Draw the page."""
    st.header("Compare", anchor=False)
    st.markdown(
        "**OBCN** is a detector that says *where a box goes* by classification: it spreads its belief about each "
        "coordinate over bins and takes their mean, where **regression** gives one number. **Click a box** to see it."
    )
    st.html('<p class="obcn-narrow">Photos and settings: » at the top.</p>')
    links.open_uploads()
    known = detectors.available_models()
    for problem in detectors.unreadable_models():
        st.warning(plain(problem), icon=":material/error:")
    if not known:
        _explain_training()
        return
    try:
        top, below = st.sidebar.container(), st.sidebar.container()
        # The photo comes last: where it cannot be read, the other controls stand and keep what they were set to.
        with below:
            models = choose_models(known)
            settings = choose_settings(models)
        with top:
            photo = choose_photo()
        if photo is None:
            st.info("Drop a photo into the side panel to begin.", icon=":material/add_photo_alternate:")
        elif not models:
            st.info("Choose at least one model in the side panel.", icon=":material/compare:")
        elif failure := st.session_state.pop("failure", None):
            raise UserError(failure)
        else:
            _compare(photo, models, settings)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _compare(photo: Photo, models: Mapping[str, ModelFile], settings: Settings) -> None:
    choose_among_uploads()
    theme = theme_palette()
    palette = with_models(theme, model_lines(list(models), theme))
    if any(scoring.stored_scores(photo, model, settings.device) is None for model in models.values()):
        _look(photo, models, settings, palette)
    seen = compare(photo, models, settings)
    chosen = None
    if seen.objects:
        chosen = locate(seen.objects, links.shown_object()) or 0
    _draw_photos(photo, panels(seen, chosen), chosen, palette)
    if chosen is not None and links.is_first_look():
        _guide(seen, seen.objects[chosen])
    if chosen is None:
        _explain_nothing(seen)
    else:
        with st.container(key="obcn-object"), st.container(key=objects_key(photo.digest, models)):
            _show_object(seen, chosen, palette)


def _look(photo: Photo, models: Mapping[str, ModelFile], settings: Settings, palette: Palette) -> NoReturn:
    """Run the networks, then the page again.

    The photo stands there at once and the boxes join it: same widget, same place, so nothing jumps. The numbers below
    are still the last photo's, and dim.
    """
    st.html(dim_all_but(objects_key(photo.digest, models)))
    _draw_photos(photo, busy_panels(models, settings), None, palette)
    try:
        for model in models.values():
            scoring.scores(photo, model, settings.device)
    except UserError as error:
        st.session_state["failure"] = str(error)  # told by the next run, where nobody is looking any more
    st.rerun()


def _draw_photos(photo: Photo, drawn: Sequence[PhotoPanel], chosen: int | None, palette: Palette) -> None:
    photo_pair(photo, drawn, chosen, palette, "pair", _choose_by_click)


def _guide(seen: Comparison, item: FoundObject) -> None:
    """What to look at on a first visit, in words that follow the figures."""
    truth = seen.truth_of(item)
    if truth is None or not seen.believers:
        return
    believer = seen.believers[0]
    belief = seen.belief_of(item, believer)
    fits = [
        f"{plain(name)}'s fits it by IoU **{box_iou(box, truth):.2f}**" for name, box in seen.boxes_of(item).items()
    ]
    words = (
        f"**New here?** The dotted box is the true one; {' and '.join(fits)}. Below, each coordinate has a **hill**: "
        f"what {plain(believer)} believes about it, tall and narrow where it is sure."
    )
    if belief is not None:
        mean, top = (box_iou(belief.by_rule[rule], truth) for rule in ("expectation", "argmax"))
        words += (
            f" The hills' means alone give IoU {mean:.2f}, their most probable bins {top:.2f}: see all numbers at the "
            "end."
        )
    st.info(
        words,
        icon=":material/waving_hand:",
    )


def _choose_by_click() -> None:
    # A click can arrive from a page drawn before the threshold changed: the place says what was seen then.
    clicked = st.session_state["pair"].chosen
    if clicked is not None:
        links.show_object(str(clicked))


def _choose_from_list() -> None:
    index, places = st.session_state["object"], st.session_state["places"]
    # Words instead of an index: the browser still shows the list of another photo.
    if isinstance(index, int) and index < len(places):
        links.show_object(places[index])


def _show_object(seen: Comparison, chosen: int, palette: Palette) -> None:
    item = seen.objects[chosen]
    st.session_state["object"] = chosen
    st.session_state["places"] = [other.place for other in seen.objects]
    pick, numbers = st.columns([1, 3])
    pick.selectbox(
        "Object",
        range(len(seen.objects)),
        format_func=lambda index: _in_list(seen, index),
        key="object",
        on_change=_choose_from_list,
        help="Click a box in any photo, or choose from this list.",
    )
    if len(seen.models) > 1:
        st.markdown(f"**Why do they differ?** {plain(seen.why(item))}")
    downloads = st.container(horizontal=True)
    believer = _choose_believer(seen, item)
    with downloads:
        _offer_downloads(seen, item, believer)
    view = view_of(seen, item, believer, palette)
    numbers.html(headline(view))
    draw_object(view)


def _choose_believer(seen: Comparison, item: FoundObject) -> str | None:
    """Whose belief to show; no question where there is no choice."""
    if len(seen.believers) < 2:
        return seen.believers[0] if seen.believers else None
    knowing = [name for name in seen.believers if item.name in seen.models[name].card.classes] or list(seen.believers)
    saw = next((name for name in knowing if item.rows[name] is not None), knowing[0])
    if st.session_state.get("belief") not in (None, *knowing):
        # Chosen at an object of another class, or on another photo.
        st.session_state["belief"] = saw
    chosen = st.segmented_control(
        "Whose belief",
        knowing,
        default=saw,
        required=True,
        format_func=plain,
        key="belief",
        bind="query-params",
    )
    # A link may give the name and nothing behind it.
    return chosen or knowing[0]


def _in_list(seen: Comparison, index: int) -> str:
    item = seen.objects[index]
    reporters = [name for name in seen.models if item.reported_by(name)]
    only = f", only {' and '.join(reporters)}" if len(reporters) < len(seen.models) else ""
    return f"{index + 1} of {len(seen.objects)}: {item.name}{only}"


def _offer_downloads(seen: Comparison, item: FoundObject, believer: str | None) -> None:
    def report() -> str:
        palette = with_models(LIGHT, model_lines(list(seen.models), LIGHT))
        view = view_of(seen, item, believer, palette)
        return report_html(seen, item, palette, seen.why(item), view.table(), view.sections())

    def rows() -> str:
        return detections_table(seen).to_json(orient="records", indent=1)

    def lines() -> str:
        return detections_table(seen).to_csv(index=False)

    stem = Path(seen.photo.name).stem
    for label, name, kind, make in (
        ("Report as HTML", f"{stem}-{item.name}.html", "text/html", report),
        ("Detections as JSON", f"{stem}-detections.json", "application/json", rows),
        ("Detections as CSV", f"{stem}-detections.csv", "text/csv", lines),
    ):
        st.download_button(label, make, name, kind, icon=":material/download:", on_click="ignore")


def _explain_nothing(seen: Comparison) -> None:
    best = max(((float(each.scores[0]), each.names[0]) for each in seen.found.values() if len(each)), default=None)
    guess = f" The best guess was {plain(best[1])} at {best[0]:.2f}." if best else ""
    classes = dict.fromkeys(name for model in seen.models.values() for name in model.card.classes)
    st.info(
        f"**No object scores above {seen.settings.score:.2f} in this photo.**{guess} Lower the score threshold in the "
        f"side panel, pick a sample, or try a photo of one of these: {plain(', '.join(classes))}.",
        icon=":material/search_off:",
    )


def _explain_training() -> None:
    st.info(
        "**There is no checkpoint yet.** The app shows those in `checkpoints/`. These commands make two from your own "
        "COCO, VOC or YOLO data:",
        icon=":material/model_training:",
    )
    commands = [
        f"obcn train compact_{head} --data data.yaml --output runs/{head}\n"
        f"cp runs/{head}/best.safetensors checkpoints/{head}.safetensors\n"
        f"cp runs/{head}/best.json checkpoints/{head}.json"
        for head in ("regression", "obcn")
    ]
    st.code("\n\n".join(commands), language=None)
    st.caption("`obcn train --help` says what data.yaml holds. Reload this page when they are there.")


main()
