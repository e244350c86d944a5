"""The page's few pieces of plain HTML: the key to the lines, an object's headline figures, and the table of numbers."""

from collections.abc import Sequence
from html import escape

from torch import Tensor

from analysis.palette import Line, Palette, Role
from app.figures.belief import COORDINATE_NAMES, COORDINATES, Belief, Coordinate, box_iou

CSS_DASH = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "dashed"}


def line_key(palette: Palette, roles: Sequence[Role]) -> str:
    """The key to the lines, the same on every figure."""
    items = (f"<span>{_sample(palette.lines[role])}{palette.lines[role].label}</span>" for role in roles)
    return f'<p class="obcn-key">{"".join(items)}</p>'


def facts(cards: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Headline figures: each card has a name, and values with their units or what they are."""
    parts = []
    for name, values in cards:
        spans = (f"<span><b>{escape(value)}</b> <small>{escape(unit)}</small></span>" for value, unit in values)
        parts.append(f'<div><p>{escape(name)}</p><div class="values">{"".join(spans)}</div></div>')
    return f'<div class="obcn-facts">{"".join(parts)}</div>'


def numbers_table(belief: Belief, palette: Palette) -> str:
    """Every box of one object in pixels, OBCN's with the spread of stage 1, and the IoU with the truth where known."""
    rows: list[tuple[Role, Tensor]] = [("candidate", belief.candidate)]
    rows += [(rule, box) for rule, box in belief.by_rule.items()]
    rows += [(rival, box) for rival, box in belief.rivals.items()]
    truth = belief.rivals.get("truth")
    head = "".join(f"<th>{COORDINATE_NAMES[name]}, px</th>" for name in COORDINATES)
    iou_head = "<th>IoU with truth</th>" if truth is not None else ""
    body = []
    for role, box in rows:
        line = palette.lines[role]
        x1, y1, x2, y2 = box.tolist()
        values = dict(zip(COORDINATES, ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), strict=True))
        cells = "".join(f"<td>{value:.1f}{_spread(belief, name, role)}</td>" for name, value in values.items())
        iou = f"<td>{box_iou(box, truth):.3f}</td>" if truth is not None else ""
        body.append(f"<tr><th>{_sample(line)}{line.label}</th>{cells}{iou}</tr>")
    return (
        f'<div class="obcn-scroll"><table class="obcn-numbers"><thead><tr><th></th>{head}{iou_head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _spread(belief: Belief, coordinate: Coordinate, role: Role) -> str:
    return f" ± {belief.spread_pixels(coordinate, 0):.1f}" if role == "expectation" else ""


def _sample(line: Line) -> str:
    # Streamlit strips SVG out of HTML; a border draws a line as well.
    return f'<i style="border-top: {line.width}px {CSS_DASH[line.dash]} {line.colour}"></i>'
