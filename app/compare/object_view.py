"""Everything about the chosen object: scores, what a head believes about it, where each answer puts it, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from app.compare.comparison import Comparison
from app.compare.found_objects import FoundObject
from app.compare.report import Section
from app.components.chart import chart
from app.components.refinement import refinement
from app.components.verdicts import verdicts
from app.exports import export_figures, export_table
from app.markup import Fact, facts, line_key, numbers, numbers_table, plain, sides_table
from obcn.figures.belief import Belief, box_iou
from obcn.figures.crops import refinement_figure, sides_figure, verdicts_figure
from obcn.figures.histograms import coordinate_histograms
from obcn.figures.lines import with_head
from obcn.figures.palette import Palette

HISTOGRAMS_SAY = (
    "One tall bar: the head is sure. A wide hill: it is not, and its mean and peak part. Outlined ends: further out "
    "than the bins reach. A lower row enlarges the shaded window of the one above."
)
DISTANCES_SAY = (
    "A distribution over distances: how probable the head holds each distance from its anchor point to this side of "
    "the object."
)
FLOOR_SAY = (
    "This head learns to share its answer among two neighbouring points, so even a sure one spreads: by "
    "√(f (1 \N{MINUS SIGN} f)) steps where the answer lies f of the way between them. Compare a spread "
    "with what it would be if sure."
)
REFINEMENT, VERDICTS, SIDES = "From candidate to box", "Where each one puts it", "How sure of each side"
SIDES_SAY = "Bands reach one standard deviation to either side: the wider, the less the head knows where that side is."
KNEW_SAYS = (
    "How far the truth lies from each side, in pixels and in the head's own spreads. Of an honest head's sides about "
    "two thirds lie within one of theirs."
)
REFINEMENT_SAY = "Stage 1 moves the candidate; later stages, if there are any, correct what it leaves over."
VERDICTS_SAY = "Who is closest: compare where each answer puts the four sides of this object."


@dataclass(frozen=True)
class ObjectView:
    """One object as one model with distributions believes it, drawn in one theme.

    Attributes:
        seen: what all models say.
        item: the object.
        model: whose belief it is; None if no chosen model with distributions saw the object.
        belief: its belief.
        palette: the theme's, with a line for each model and for both decode rules of ``model``.
    """

    seen: Comparison
    item: FoundObject
    model: str | None
    belief: Belief | None
    palette: Palette

    @property
    def boxes(self) -> dict[str, Tensor]:
        """Every answer's (4,) box in pixels by the name of its line, the candidate first and the truth last."""
        if self.belief is not None:
            by_rule = {str(rule): box for rule, box in self.belief.by_rule.items()}
            return {"candidate": self.belief.candidate, **by_rule, **self.belief.rivals}
        truth = self.seen.truth_of(self.item)
        return self.seen.boxes_of(self.item) | ({} if truth is None else {"truth": truth})

    @property
    def answers(self) -> dict[str, Tensor]:
        """The same without the candidate, which is nobody's answer."""
        return {name: box for name, box in self.boxes.items() if name != "candidate"}

    @property
    def title(self) -> str:
        """Of the histograms."""
        return f"What {self.model} believes about this {self.item.name}"

    def histograms(self) -> dict[str, go.Figure]:
        """One figure per coordinate."""
        assert self.belief is not None
        return _histograms(self.belief, self.palette)

    def crops(self) -> dict[str, Callable[[], go.Figure]]:
        """What draws the way from candidate to box, where there is a belief, and where each answer puts it."""
        image, belief = self.seen.photo.image, self.belief
        verdicts = partial(verdicts_figure, image, self.answers, self.palette)
        if belief is None:
            return {VERDICTS: verdicts}
        return {
            REFINEMENT: partial(refinement_figure, image, belief, self.palette),
            VERDICTS: verdicts,
            SIDES: partial(sides_figure, image, belief, self.palette),
        }

    def key(self) -> str:
        """HTML of the key to the lines."""
        return line_key(self.palette, list(self.boxes))

    def table(self) -> str:
        """HTML of all boxes in numbers."""
        return numbers_table(self.boxes, self.palette, self.belief)

    def sections(self) -> list[Section]:
        """What a report shows of it."""
        sections = []
        if self.belief is not None:
            sections.append(Section(self.title, histograms_say(self.belief), self.histograms(), self.key()))
        sentences = {REFINEMENT: REFINEMENT_SAY, VERDICTS: VERDICTS_SAY, SIDES: SIDES_SAY}
        return sections + [Section(title, sentences[title], {"": draw()}) for title, draw in self.crops().items()]


def _content(belief: Belief) -> bytes:
    """All that a belief's figures depend on."""
    tensors = [belief.candidate, *belief.by_rule.values(), *belief.rivals.values()]
    for stage in belief.stages:
        tensors += [stage.probabilities, stage.edges, stage.representatives, stage.origin]
    names = belief.rule, belief.used_stages, belief.code, belief.anew, belief.two_hot, list(belief.rivals)
    return b"".join(tensor.numpy().tobytes() for tensor in tensors) + repr(names).encode()


# Half of what the page costs; visitors go back and forth between a few views.
@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs={Belief: _content, Palette: repr})
def _histograms(belief: Belief, palette: Palette) -> dict[str, go.Figure]:
    return {one.name: coordinate_histograms(belief, one.key, palette) for one in belief.code.coordinates}


def histograms_say(belief: Belief) -> str:
    """How to read a belief's histograms."""
    distances = [DISTANCES_SAY] if belief.quantity == "distance" else []
    return " ".join([*distances, HISTOGRAMS_SAY, *([FLOOR_SAY] if belief.two_hot else [])])


def view_of(seen: Comparison, item: FoundObject, model: str | None, palette: Palette) -> ObjectView:
    """An object as ``model`` believes it, in the lines of ``palette``, which has one for each model."""
    belief = None if model is None else seen.belief_of(item, model)
    if model is not None:
        palette = with_head(palette, model)
    return ObjectView(seen, item, model, belief, palette)


def headline(view: ObjectView) -> str:
    """HTML of an object's headline figures."""
    seen, item = view.seen, view.item
    boxes, truth = seen.boxes_of(item), seen.truth_of(item)
    cards = []
    for name in seen.models:
        values = _scores(seen, item, name)
        if item.name not in seen.models[name].card.classes:
            values = [("none", f"does not know {item.name}")]
        elif name not in boxes:
            values = [("none", "saw nothing here")]
        elif truth is not None:
            values.append((f"{box_iou(boxes[name], truth):.2f}", "IoU with truth"))
        cards.append(Fact(name, values, view.palette.lines[name]))
    pairs = [box_iou(one, other) for one, other in combinations(boxes.values(), 2)]
    if len(pairs) == 1:
        cards.append(Fact("Both boxes", [(f"{pairs[0]:.2f}", "IoU with each other")]))
    elif pairs:
        cards.append(Fact("All boxes", [(f"{min(pairs):.2f}", "lowest IoU of two")]))
    if view.belief is not None:
        stage = view.belief.telling
        spreads = [(f"{view.belief.spread_pixels(key, stage):.3g}", key) for key in view.belief.keys]
        cards.append(Fact(f"Spread of {view.model}, in pixels", spreads))
    return facts(cards)


def _scores(seen: Comparison, item: FoundObject, model: str) -> list[tuple[str, str]]:
    """The class score, and the rank where that is another number."""
    row = item.rows[model]
    probability = 0.0 if row is None else float(seen.found[model].probabilities[row])
    values = [(f"{probability:.2f}", "class score")]
    if seen.ranks_by_certainty(model):
        values.append((f"{item.scores[model]:.2f}", "rank"))
    return values if item.reported_by(model) else [*values[:-1], (values[-1][0], f"{values[-1][1]}, not reported")]


def draw_object(view: ObjectView) -> None:
    """Draw the figures."""
    seen, item = view.seen, view.item
    if view.model is None:
        st.caption("No chosen model has distributions. Choose one in the side panel to see what it believes.")
    elif item.name not in seen.models[view.model].card.classes:
        st.info(f"{plain(view.model)} does not know the class {plain(item.name)}: there is no belief to show.")
    elif view.belief is None:
        st.info(f"{plain(view.model)} saw no {plain(item.name)} here, not even weakly: there is no belief to show.")
    else:
        if not item.reported_by(view.model):
            st.info(
                f"{plain(view.model)} does not report this {plain(item.name)}: it scores below "
                f"{seen.settings.score:.2f}. The figures show its best candidate here.",
                icon=":material/visibility_off:",
            )
        _draw_histograms(view)
    # Folded on a narrow screen, see app/style.py.
    with st.container(key="obcn-folded"):
        if view.belief is not None:
            export_figures(view.histograms(), "export-belief")
        _draw_crops(view)
        _draw_numbers(view)


def _draw_numbers(view: ObjectView) -> None:
    st.subheader("All boxes in numbers", anchor=False)
    caption = "In pixels of the photo."
    if view.belief is not None:
        caption += " ± is the standard deviation of its first distribution: how unsure the head is."
    st.caption(caption)
    st.html(view.table())
    export_table(partial(numbers, view.boxes, view.palette, view.belief), f"Boxes of this {view.item.name}")


def _draw_histograms(view: ObjectView) -> None:
    # The object in the colour that it has on the photos.
    named = f"What {plain(str(view.model))} believes about this :yellow-background[{plain(view.item.name)}]"
    st.subheader(named, anchor=False)
    assert view.belief is not None
    st.caption(histograms_say(view.belief))
    st.html(view.key())
    figures = view.histograms()
    with st.container(key="obcn-first-figure"):
        columns = st.columns(len(figures))
    for column, (name, figure) in zip(columns, figures.items(), strict=True):
        chart(figure, f"Distribution of {name} over the bins of each stage", column)
    st.toggle("Show the other figures and all numbers", key="obcn-unfold")


def _draw_crops(view: ObjectView) -> None:
    image = view.seen.photo.image
    left, right = st.columns(2)
    if view.belief is not None:
        with left:
            st.subheader(REFINEMENT, anchor=False)
            st.caption(REFINEMENT_SAY)
            refinement(image, view.belief, view.palette, "refinement")
    with right if view.belief is not None else left:
        st.subheader(VERDICTS, anchor=False)
        st.caption(VERDICTS_SAY)
        verdicts(image, view.answers, view.palette, "verdicts")
    if view.belief is not None:
        left, right = st.columns(2)
        with left:
            st.subheader(SIDES, anchor=False)
            st.caption(SIDES_SAY)
            chart(sides_figure(image, view.belief, view.palette), "sides", alt="The box with a band along each side")
        with right:
            truth = view.seen.truth_of(view.item)
            st.subheader("Sides in numbers" if truth is None else "Did it know?", anchor=False)
            st.caption("The same spreads in numbers." if truth is None else KNEW_SAYS)
            st.html(sides_table(view.belief, truth))
    export_figures(view.crops(), "export-crops")
