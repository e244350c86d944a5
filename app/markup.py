"""The page's few pieces of plain HTML: the key to the lines, an object's headline figures, and the table of numbers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise

import pandas as pd
from torch import Tensor

from app.tables import scrolling
from obcn.boxes import centre_and_size
from obcn.figures.belief import COORDINATE_NAMES, Belief, box_iou
from obcn.figures.lines import strokes
from obcn.figures.palette import Line, Palette
from obcn.records.schema import COORDINATES


@dataclass(frozen=True)
class Fact:
    """A card: a name, the line that stands for it if one does, and values with their units or what they are."""

    name: str
    values: Sequence[tuple[str, str]]
    line: Line | None = None


def plain(text: str) -> str:
    """Text from outside for a Markdown element: shown as it is, whatever marks are in it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:])", r"\\\1", text)


def line_key(palette: Palette, names: Sequence[str]) -> str:
    """The key to the lines, the same on every figure."""
    items = (f"<span>{_sample(palette.lines[name])}{escape(palette.lines[name].label)}</span>" for name in names)
    return f'<p class="obcn-key">{"".join(items)}</p>'


def facts(cards: Sequence[Fact]) -> str:
    """Headline figures."""
    parts = []
    for card in cards:
        spans = (f"<span><b>{escape(value)}</b> <small>{escape(unit)}</small></span>" for value, unit in card.values)
        sample = _sample(card.line) if card.line else ""
        parts.append(f'<div><p>{sample}{escape(card.name)}</p><div class="values">{"".join(spans)}</div></div>')
    return f'<div class="obcn-facts">{"".join(parts)}</div>'


def numbers(boxes: Mapping[str, Tensor], palette: Palette, belief: Belief | None) -> pd.DataFrame:
    """Every box of one object in pixels: centre, size, the spread where a belief tells it, and the IoU with the truth.

    Args:
        boxes: (4,) boxes in pixels by the name of their line; ``truth`` is measured against where it is there.
        palette: the theme's, with a line for each.
        belief: whose expectation is among them.
    """
    truth = boxes.get("truth")
    rows = []
    for name, box in boxes.items():
        row: dict[str, object] = {"box": palette.lines[name].label}
        for coordinate, value in zip(COORDINATES, centre_and_size(box), strict=True):
            row[f"{COORDINATE_NAMES[coordinate]}, px"] = round(value, 2)
            if belief is not None and coordinate in belief.keys:
                spread = round(belief.spread_pixels(coordinate, belief.telling), 2) if name == "expectation" else None
                row[f"{COORDINATE_NAMES[coordinate]}, spread, px"] = spread
        if truth is not None:
            row["IoU with truth"] = round(box_iou(box, truth), 4)
        rows.append(row)
    return pd.DataFrame(rows)


def numbers_table(boxes: Mapping[str, Tensor], palette: Palette, belief: Belief | None = None) -> str:
    """The same as HTML, with each box's line; arguments as in :func:`numbers`."""
    truth = boxes.get("truth")
    head = "".join(f'<th scope="col">{COORDINATE_NAMES[name]}, px</th>' for name in COORDINATES)
    iou_head = '<th scope="col">IoU with truth</th>' if truth is not None else ""
    body = []
    for name, box in boxes.items():
        line = palette.lines[name]
        values = zip(COORDINATES, centre_and_size(box), strict=True)
        spread = {
            coordinate: f" <span>± {belief.spread_pixels(coordinate, belief.telling):.1f}</span>"
            for coordinate in COORDINATES
            if belief is not None and name == "expectation" and coordinate in belief.keys
        }
        cells = "".join(f"<td>{value:.1f}{spread.get(coordinate, '')}</td>" for coordinate, value in values)
        iou = f"<td>{box_iou(box, truth):.3f}</td>" if truth is not None else ""
        body.append(f'<tr><th scope="row">{_sample(line)}{escape(line.label)}</th>{cells}{iou}</tr>')
    table = (
        f'<table class="obcn-numbers"><thead><tr><td></td>{head}{iou_head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    return scrolling(table, "All boxes in numbers")


def sides_table(belief: Belief, truth: Tensor | None) -> str:
    """HTML of how sure a head is of each side, and where the truth lies, if that is known.

    Args:
        belief: one object's.
        truth: (4,) the true box in pixels.
    """
    # Positive is outwards for all four.
    outwards = belief.final.new_tensor([-1, -1, 1, 1])
    names, spreads = ("left", "top", "right", "bottom"), belief.side_spread.tolist()
    extents = (belief.final[2:] - belief.final[:2]).tolist() * 2
    away = None if truth is None else ((truth - belief.final) * outwards).tolist()
    heads = ["spread, px", "of the box's size", *([] if away is None else ["truth lies, px", "in spreads"])]
    body = []
    for number, (name, spread, extent) in enumerate(zip(names, spreads, extents, strict=True)):
        cells = [f"± {spread:.1f}", f"{spread / max(extent, 1.0):.0%}"]
        if away is not None:
            way = "further out" if away[number] > 0 else "further in"
            cells += [f"{abs(away[number]):.1f} <span>{way}</span>", f"{abs(away[number]) / max(spread, 0.05):.1f}"]
        body.append(f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    table = (
        f'<table class="obcn-numbers"><thead><tr><td></td>{columns}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )
    return scrolling(table, "Sides in numbers")


def _sample(line: Line) -> str:
    # Streamlit strips SVG out of HTML; a gradient draws strokes as well.
    ends = [0.0, *accumulate(strokes(line))]
    colours = (line.colour if number % 2 == 0 else "transparent" for number in range(len(ends)))
    stops = ", ".join(
        f"{colour} {start:.1f}px {end:.1f}px" for colour, (start, end) in zip(colours, pairwise(ends), strict=False)
    )
    fill = f"repeating-linear-gradient(90deg, {stops})" if stops else line.colour
    return f'<i style="height: {line.width}px; background: {fill}"></i>'
