"""From the candidate to the final box, stage by stage, played or stepped through.

Why not plotly's frames: they play as long as they are told, also for visitors who have asked for less motion.
"""

import streamlit as st
from PIL.Image import Image
from torch import Tensor

from app.components import in_order, read_files
from obcn.boxes import centre_and_size
from obcn.figures.belief import Belief, box_iou
from obcn.figures.crops import crop_around
from obcn.figures.lines import line_data
from obcn.figures.palette import Palette

_component = st.components.v2.component(
    "obcn_refinement",
    html="""<div class="refinement">
      <div class="stage"><div class="frame">
        <img draggable="false" alt="The part of the photo around this object"></div></div>
      <div class="steps"><button type="button" class="play"></button>
        <div role="radiogroup" aria-label="Step of the refinement"></div></div>
      <p class="said" aria-live="polite"></p></div>""",
    css=read_files("marks.css", "crop.css", "refinement.css"),
    js=read_files("in_order.js", "marks.js", "crop.js", "refinement.js"),
)


def refinement(photo: Image, belief: Belief, palette: Palette, key: str) -> None:
    """Draw the part of the photo around an object, and its box at each step.

    Args:
        photo: RGB, whole.
        belief: one object's.
        palette: the theme's, with the head's lines.
        key: the widget's.
    """
    truth = belief.rivals.get("truth")
    boxes = refinement_steps(belief)
    everything = [*boxes.values(), *([] if truth is None else [truth])]
    (left, top, right, bottom), uri = crop_around(photo, everything)

    def drawn(box: Tensor, name: str) -> dict:
        x1, y1, x2, y2 = box.tolist()
        return {"box": [x1 - left, y1 - top, x2 - left, y2 - top], "line": line_data(palette.lines[name])}

    before, steps = None, []
    for name, box in boxes.items():
        line = "candidate" if before is None else belief.rule
        steps.append({"name": name, "said": say_step(name, before, box, truth), **drawn(box, line)})
        before = box
    data = {
        "photo": uri,
        "width": right - left,
        "height": bottom - top,
        "halo": palette.halo,
        "steps": steps,
        "truth": None if truth is None else drawn(truth, "truth"),
    }
    _component(key=key, data=in_order(key, data))


def refinement_steps(belief: Belief) -> dict[str, Tensor]:
    """The (4,) box in pixels at each step: the candidate, and after every stage in use."""
    after = {f"stage {number}": box for number, box in enumerate(belief.after_stages[: belief.used_stages], start=1)}
    return {"candidate": belief.candidate, **after}


def say_step(name: str, before: Tensor | None, box: Tensor, truth: Tensor | None) -> str:
    """One line on what a step did, in pixels, and how well its box fits the truth where that is known."""
    if before is None:
        sentence = "Where the head starts"
    else:
        pairs = zip(centre_and_size(box), centre_and_size(before), strict=True)
        right, down, wider, taller = (now - then for now, then in pairs)
        sentence = (
            f"{name.capitalize()} moves the centre {abs(right):.1f} px {'right' if right >= 0 else 'left'} and "
            f"{abs(down):.1f} px {'down' if down >= 0 else 'up'}, and makes the box "
            f"{abs(wider):.1f} px {'wider' if wider >= 0 else 'narrower'} and "
            f"{abs(taller):.1f} px {'taller' if taller >= 0 else 'lower'}"
        )
    return sentence + ("." if truth is None else f". IoU with the truth {box_iou(box, truth):.2f}.")
