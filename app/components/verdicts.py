"""Where every answer puts one object, on a crop; the legend hides and lights up."""

from collections.abc import Mapping

import streamlit as st
from PIL.Image import Image
from torch import Tensor

from app.components import in_order, read_files
from obcn.boxes import centre_and_size
from obcn.figures.belief import box_iou
from obcn.figures.crops import crop_around
from obcn.figures.lines import line_data
from obcn.figures.palette import Palette

_component = st.components.v2.component(
    "obcn_verdicts",
    html="""<div class="verdicts">
      <div class="stage"><div class="frame">
        <img draggable="false" alt="The part of the photo around this object"></div></div>
      <div class="legend" role="group" aria-label="Boxes to show"></div></div>""",
    css=read_files("marks.css", "crop.css", "verdicts.css"),
    js=read_files("in_order.js", "marks.js", "crop.js", "verdicts.js"),
)


def verdicts(photo: Image, boxes: Mapping[str, Tensor], palette: Palette, key: str) -> None:
    """Draw the part of the photo around an object, and every answer's box.

    Args:
        photo: RGB, whole.
        boxes: (4,) boxes in pixels by the name of their line; ``truth`` is measured against where it is there.
        palette: the theme's, with a line for each.
        key: the widget's.
    """
    (left, top, right, bottom), uri = crop_around(photo, list(boxes.values()))
    truth = boxes.get("truth")
    drawn = []
    for name, box in boxes.items():
        line, (x1, y1, x2, y2), at = palette.lines[name], box.tolist(), centre_and_size(box)
        fit = "" if truth is None or name == "truth" else f" (IoU {box_iou(box, truth):.2f})"
        drawn.append(
            {
                "name": line.label + fit,
                "told": f"{line.label}: centre ({at.x:.1f}, {at.y:.1f}) px, size {at.w:.1f} by {at.h:.1f} px",
                "box": [x1 - left, y1 - top, x2 - left, y2 - top],
                "line": line_data(line),
            }
        )
    size = {"width": right - left, "height": bottom - top}
    _component(key=key, data=in_order(key, {"photo": uri, **size, "halo": palette.halo, "boxes": drawn}))
