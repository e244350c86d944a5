"""Boxes on a crop of the photo: how the refinement got there, and where each answer ends up."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
import torch
from PIL.Image import Image, Resampling
from torch import Tensor

from obcn.boxes import centre_and_size
from obcn.figures.belief import Belief, box_iou
from obcn.figures.palette import FONT, LIGHT, Line, Palette

# Screen pixels: the crop, and below it a legend of up to three rows. Both stay where they are, whatever they show.
CROP_HEIGHT = 420
_LEGEND = 64
_LONG_SIDE = 640


@dataclass(frozen=True)
class DrawnBox:
    """A (4,) box in pixels of the photo, how it is drawn, and its name in the legend."""

    box: Tensor
    line: Line
    name: str


def refinement_figure(photo: Image, belief: Belief, palette: Palette = LIGHT) -> go.Figure:
    """Candidate, the box after each stage in use, and the truth where known.

    Args:
        photo: RGB, whole.
        belief: one object's.
        palette: the theme's.
    """
    truth = belief.rivals.get("truth")
    steps = [DrawnBox(belief.candidate, palette.lines["candidate"], "candidate")]
    for number in range(1, belief.used_stages):
        steps.append(DrawnBox(belief.after_stages[number - 1], palette.lines["stage"], f"after stage {number}"))
    final = palette.lines[belief.rule]
    steps.append(DrawnBox(belief.final, final, f"final, after stage {belief.used_stages}"))
    return boxes_on_crop(photo, _with_iou(steps, truth, palette), palette)


def verdicts_figure(photo: Image, boxes: Mapping[str, Tensor], palette: Palette = LIGHT) -> go.Figure:
    """Where every answer and the truth put the same object.

    Args:
        photo: RGB, whole.
        boxes: (4,) boxes in pixels by the name of their line; ``truth`` is measured against where it is there.
        palette: the theme's, with a line for each.
    """
    drawn = [
        DrawnBox(box, palette.lines[name], palette.lines[name].label) for name, box in boxes.items() if name != "truth"
    ]
    return boxes_on_crop(photo, _with_iou(drawn, boxes.get("truth"), palette), palette)


def sides_figure(photo: Image, belief: Belief, palette: Palette = LIGHT) -> go.Figure:
    """The box with a band along each side, one standard deviation to either side of it.

    Args:
        photo: RGB, whole.
        belief: one object's.
        palette: the theme's.
    """
    box, spread = belief.final, belief.side_spread
    reach = torch.stack((box - spread, box + spread))
    limits = box.new_tensor([photo.width, photo.height] * 2)
    reach = reach.clamp(min=0).minimum(limits)
    window = _frame(photo, [torch.cat((reach[0, :2], reach[1, 2:]))])
    line = palette.lines[belief.rule]
    (x1, y1, x2, y2), (low, high) = box.tolist(), reach.tolist()
    bands = [(low[0], y1, high[0], y2), (x1, low[1], x2, high[1]), (low[2], y1, high[2], y2), (x1, low[3], x2, high[3])]
    figure = _on_photo(photo, window, _outline(DrawnBox(box, line, line.label), palette), 0, palette)
    figure["layout"]["showlegend"] = False
    # The last of its column: a wide crop may leave room to what follows, which a legend below it would not.
    as_wide_as_others = _LONG_SIDE * (window[3] - window[1]) / (window[2] - window[0])
    figure["layout"]["height"] = round(min(CROP_HEIGHT, max(as_wide_as_others, CROP_HEIGHT / 4)))
    figure["layout"]["shapes"] = [
        {
            "type": "rect",
            **dict(zip(("x0", "y0", "x1", "y1"), band, strict=True)),
            "fillcolor": line.colour,
            "opacity": 0.38,
            "line": {"width": 0},
        }
        for band in bands
    ]
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    # A side at the photo's edge has its number inside.
    air = (window[2] - window[0]) * 0.07, (window[3] - window[1]) * 0.04
    left, right = max(x1, window[0] + air[0]), min(x2, window[2] - air[0])
    top, bottom = max(y1, window[1] + air[1]), min(y2, window[3] - air[1])
    places = [(left, middle[1]), (middle[0], top), (right, middle[1]), (middle[0], bottom)]
    figure["layout"]["annotations"] = [
        {
            "x": x,
            "y": y,
            "text": f"±{side:.1f} px",
            "showarrow": False,
            "bgcolor": "rgba(0,0,0,0.66)",
            "borderpad": 2,
            "font": {"size": 12, "color": "#FFFFFF"},
        }
        for (x, y), side in zip(places, spread.tolist(), strict=True)
    ]
    return go.Figure(figure)


def boxes_on_crop(photo: Image, drawn: Sequence[DrawnBox], palette: Palette = LIGHT) -> go.Figure:
    """The part of the photo around some boxes, with the boxes on it; axes in pixels of the photo.

    Args:
        photo: RGB, whole.
        drawn: at least one box; later ones lie on top.
        palette: the theme's.
    """
    traces = [trace for item in drawn for trace in _outline(item, palette)]
    figure = _on_photo(photo, _frame(photo, [item.box for item in drawn]), traces, _LEGEND, palette)
    figure["layout"]["legend"] = {
        "orientation": "h",
        "x": 0,
        "y": 0,
        "yanchor": "top",
        "font": {"size": 12, "color": palette.ink},
        "itemclick": "toggle",
        "itemdoubleclick": "toggleothers",
    }
    return go.Figure(figure)


def boxes_on_photo(photo: Image, drawn: Sequence[DrawnBox], palette: Palette = LIGHT) -> go.Figure:
    """The whole photo with boxes on it, each with its name at its upper left corner; axes in pixels of the photo.

    Args:
        photo: RGB.
        drawn: any number of boxes.
        palette: the theme's.
    """
    names = {
        "type": "scatter",
        "x": [float(item.box[0]) for item in drawn],
        "y": [float(item.box[1]) for item in drawn],
        "text": [f" {item.name} " for item in drawn],
        "mode": "text",
        "textposition": "bottom right",
        "textfont": {"color": "#FFFFFF", "size": 12, "shadow": "0 0 3px #000, 0 0 3px #000, 0 0 2px #000"},
        "hoverinfo": "skip",
    }
    traces = [trace for item in drawn for trace in _outline(item, palette)]
    figure = _on_photo(photo, (0, 0, photo.width, photo.height), [*traces, names], 0, palette)
    figure["layout"]["showlegend"] = False
    return go.Figure(figure)


def crop_around(photo: Image, boxes: Sequence[Tensor]) -> tuple[tuple[int, int, int, int], str]:
    """A window (left, top, right, bottom) in pixels around (4,) boxes with some air, and its picture as a data URI."""
    window = _frame(photo, boxes)
    return window, photo_uri(photo, window)


def _on_photo(
    photo: Image, window: tuple[int, int, int, int], traces: list[dict], below: int, palette: Palette
) -> dict:
    """A figure of part of a photo.

    Args:
        photo: RGB, whole.
        window: (left, top, right, bottom) in pixels of the photo.
        traces: what lies on it.
        below: screen pixels kept free under it.
        palette: the theme's.
    """
    left, top, right, bottom = window
    hidden = {"visible": False, "constrain": "domain"}
    return {
        "data": traces,
        "layout": {
            "height": CROP_HEIGHT,
            "margin": {"l": 0, "r": 0, "t": 0, "b": below, "autoexpand": False},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": palette.ink},
            "hoverlabel": {"font": {"family": FONT, "size": 12}},
            "xaxis": {**hidden, "range": [left, right]},
            "yaxis": {**hidden, "range": [bottom, top], "scaleanchor": "x", "constraintoward": "top"},
            "images": [
                {
                    "source": photo_uri(photo, window),
                    "x": left,
                    "y": top,
                    "sizex": right - left,
                    "sizey": bottom - top,
                    "xref": "x",
                    "yref": "y",
                    "sizing": "stretch",
                    "layer": "below",
                }
            ],
            "template": None,
        },
    }


def _outline(item: DrawnBox, palette: Palette) -> list[dict]:
    """A box on a rim that keeps it readable on any photo; the two hide and show together."""
    x1, y1, x2, y2 = item.box.tolist()
    line = {
        "type": "scatter",
        "x": [x1, x2, x2, x1, x1],
        "y": [y1, y1, y2, y2, y1],
        "mode": "lines",
        "legendgroup": item.name,
    }
    rim = {"line": {"color": palette.halo, "width": item.line.width + 2.5}, "hoverinfo": "skip", "showlegend": False}
    at = centre_and_size(item.box)
    hover = (
        f"<b>{item.name}</b><br>centre ({at.x:.1f}, {at.y:.1f}) px<br>size {at.w:.1f} by {at.h:.1f} px<extra></extra>"
    )
    style = {"color": item.line.colour, "dash": item.line.dash, "width": item.line.width}
    return [{**line, **rim}, {**line, "name": item.name, "line": style, "hovertemplate": hover}]


def _with_iou(drawn: list[DrawnBox], truth: Tensor | None, palette: Palette) -> list[DrawnBox]:
    """Legend names with the IoU against the truth, and the truth itself underneath, where it is known."""
    if truth is None:
        return drawn
    named = [DrawnBox(item.box, item.line, f"{item.name} (IoU {box_iou(item.box, truth):.2f})") for item in drawn]
    return [DrawnBox(truth, palette.lines["truth"], "truth"), *named]


def _frame(photo: Image, boxes: Sequence[Tensor]) -> tuple[int, int, int, int]:
    """A window in pixels around all boxes with some air, inside the photo."""
    stacked = torch.stack(list(boxes))
    x1, y1 = stacked[:, :2].min(0).values.tolist()
    x2, y2 = stacked[:, 2:].max(0).values.tolist()
    air = 0.12 * max(x2 - x1, y2 - y1) + 4
    left, top = max(0, int(x1 - air)), max(0, int(y1 - air))
    right, bottom = min(photo.width, int(x2 + air) + 1), min(photo.height, int(y2 + air) + 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def photo_uri(photo: Image, window: tuple[int, int, int, int], long_side: int = _LONG_SIDE) -> str:
    """Part of a photo as a JPEG in a data URI.

    Args:
        photo: RGB.
        window: (left, top, right, bottom) in its pixels.
        long_side: pixels of the picture at most.
    """
    width, height = window[2] - window[0], window[3] - window[1]
    scale = min(1, long_side / max(width, height))
    if scale == 1:
        crop = photo.crop(window)
    else:
        # Not crop() and thumbnail(): of a 48-megapixel photo they would copy all pixels first.
        size = max(1, round(width * scale)), max(1, round(height * scale))
        crop = photo.resize(size, Resampling.BICUBIC, window, reducing_gap=2)
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
