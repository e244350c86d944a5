"""Models: what ships and what visitors bring, with how each was trained and measured."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app import detectors, hosting
from app.detectors import ModelFile
from app.markup import Fact, facts, plain
from app.models.cards import (
    checkpoint_pair,
    copies,
    exported_in_words,
    exported_parts,
    facts_in_words,
    figures_of,
)
from app.paths import typed_path
from obcn.card_words import head_in_words
from obcn.checkpoints import Card
from obcn.errors import UserError

# Weights of the largest config in half precision are about 120 MB.
LARGEST_UPLOAD_MB = 300
BASELINE = "regression"
NO_DISTRIBUTION = "Keeps no distribution: its boxes alone are compared, as those of a regression head."


def main() -> None:
    """Draw the page."""
    st.header("Models", anchor=False)
    st.markdown(
        "The detectors that every page can use, each with how it was trained and what it reaches. **Bring your own**: "
        "a checkpoint is a `.safetensors` file and the `.json` card that `obcn train` writes beside it. **Or somebody "
        "else's**: the `.onnx` file of any detector; if its head keeps distributions, as YOLOv8 and later, PP-YOLOE, "
        "PicoDet, NanoDet, D-FINE and DEIM do, they are found and shown."
    )
    brought = _bring()
    known = detectors.available_models()
    for problem in detectors.unreadable_models():
        st.warning(plain(problem), icon=":material/error:")
    if not known:
        st.info("**There is no model yet.** This command trains one:", icon=":material/model_training:")
        st.code("obcn train compact_obcn --data data.yaml --output runs/obcn", language=None)
        return
    # What a visitor just brought comes first.
    names: list[str] = []
    for name in sorted(known, key=lambda name: name not in brought):
        if not set(copies(known[name], known)).intersection(names):
            names.append(name)
    for left in range(0, len(names), 2):
        for name, column in zip(names[left : left + 2], st.columns(2), strict=False):
            with column.container(border=True, height="stretch"):
                _show(known[name], known)


# One's own


def _bring() -> set[str]:
    """Draw the ways to bring models; the names of those that came."""
    names: set[str] = set()
    hosted = hosting.is_hosted()
    if hosted:
        place = st.container()
    else:
        left, place = st.columns(2)
        with left:
            names |= _bring_folder()
    with place:
        # Any kind of file may come: a refusal that says what to do is better than a greyed-out file.
        files = st.file_uploader(
            f"{'An' if hosted else 'or an'} .onnx file, or a checkpoint and its card, two files at once",
            accept_multiple_files=True,
            key="checkpoint",
            max_upload_size=LARGEST_UPLOAD_MB,
            help="Kept for a while, for you and whoever has the link of a comparison with it.",
        )
        if files:
            names |= set(_told(lambda: [_add(files)]))
    return names


def _bring_folder() -> set[str]:
    folder = st.text_input(
        "A folder of checkpoints or .onnx files",
        key="checkpoints",
        bind="query-params",
        placeholder="runs/obcn",
        help="On the machine that runs this app; relative to where it was started. The link keeps it.",
    )
    return set(_told(lambda: detectors.add_folder(typed_path(folder)))) if folder else set()


def _told(add: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What ``add`` added, with words on how it went."""
    try:
        with st.spinner("Reading the model…"):
            names = add()
    except UserError as error:
        st.error(plain(f"{str(error).rstrip('.')}."), icon=":material/error:")
        return []
    st.success(f"Ready to compare: {plain(', '.join(names))}.", icon=":material/check:")
    return names


def _add(files: Sequence) -> str:
    names = [file.name for file in files]
    if (exported := exported_parts(names)) is not None:
        file, *beside = exported
        hints, weights = (None if place is None else files[place].getvalue() for place in beside)
        return detectors.add_exported(names[file], files[file].getvalue(), hints, weights)
    weights, card = checkpoint_pair(names)
    return detectors.add_upload(files[weights].name, files[weights].getvalue(), files[card].getvalue())


# Cards


def _show(model: ModelFile, known: Mapping[str, ModelFile]) -> None:
    card = model.card
    st.subheader(plain(model.name), anchor=False)
    if same := copies(model, known):
        st.caption(f"Also as {plain(', '.join(same))}, with the same card.")
    if not isinstance(card, Card):
        st.markdown(plain(f"{card.codec.describe()}.") if card.codec.num_stages else NO_DISTRIBUTION)
        st.markdown("\n".join(f"- {name}: {plain(value)}" for name, value in exported_in_words(model)))
        _link_to_compare(model, known)
        return
    st.markdown(plain(f"{head_in_words(card.config)}."))
    if card.evaluation is None:
        st.caption("Not measured yet: `obcn eval --write-card` puts its figures here.")
    else:
        measured = f"AP in percent, on {card.evaluation.images} photos of {card.evaluation.data}"
        st.html(facts([Fact(measured, figures_of(card))]))
    st.markdown("\n".join(f"- {name}: {plain(value)}" for name, value in facts_in_words(model)))
    _link_to_compare(model, known)
    with st.expander("Commands"):
        st.code(card.training.command, language=None, wrap_lines=True)
        if card.training.start is not None:
            st.caption("The start:")
            st.code(card.training.start.command, language=None, wrap_lines=True)
        if card.evaluation is not None:
            st.caption("Its figures:")
            st.code(card.evaluation.command, language=None, wrap_lines=True)


def _link_to_compare(model: ModelFile, known: Mapping[str, ModelFile]) -> None:
    beside = [name for name in (BASELINE, model.name) if name in known]
    st.page_link(
        "compare/compare.py",
        label=f"Open {plain(model.name)} in Compare",
        icon=":material/compare:",
        query_params={"models": list(dict.fromkeys(beside))},
    )


main()
