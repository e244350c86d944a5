"""A contact sheet: crops of photos with boxes in the palette's colours and dashes, and captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from obcn.figures.lines import strokes
from obcn.figures.palette import Line, Palette

# Pixels of the sheet.
_TILE, _LINE, _GAP, _HEAD = 300, 19, 14, 76
_COLUMNS = 4

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tile:
    """One object: its photo, boxes with their lines, (x1, y1, x2, y2) in the photo's pixels, and captions, a line each:
    the first is quiet, and all are cut at the end."""

    photo: Image.Image
    boxes: Sequence[tuple[Line, Box]]
    captions: Sequence[str]


def contact_sheet(
    title: str, legend: Sequence[tuple[str, Line]], tiles: Sequence[Tile], palette: Palette
) -> Image.Image:
    """All tiles under a title and a legend; without a tile, a sheet that says so."""
    rows = max(1, ceil(len(tiles) / _COLUMNS))
    caption_height = 6 + _LINE * max((len(tile.captions) for tile in tiles), default=0)
    size = (_GAP + _COLUMNS * (_TILE + _GAP), _HEAD + rows * (_TILE + caption_height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 12), title, palette.ink, ImageFont.load_default(22))
    _draw_legend(draw, legend, palette)
    if not tiles:
        draw.text((_GAP, _HEAD + 20), "There is no such object.", palette.muted, ImageFont.load_default(16))
    for number, tile in enumerate(tiles):
        x = _GAP + number % _COLUMNS * (_TILE + _GAP)
        y = _HEAD + number // _COLUMNS * (_TILE + caption_height + _GAP)
        sheet.paste(_crop(tile), (x, y))
        for line, caption in enumerate(tile.captions):
            colour = palette.ink if line else palette.muted
            draw.text((x, y + _TILE + 4 + _LINE * line), _shortened(draw, caption), colour, _small())
    return sheet


def _crop(tile: Tile) -> Image.Image:
    """A square around the boxes with an eighth of room, scaled to the tile; beyond the photo it is grey."""
    x1, y1 = (min(box[k] for _, box in tile.boxes) for k in (0, 1))
    x2, y2 = (max(box[k] for _, box in tile.boxes) for k in (2, 3))
    side = 1.25 * max(x2 - x1, y2 - y1, 16)
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    scale = _TILE / side
    window = (left, top, left + side, top + side)
    crop = tile.photo.transform(
        (_TILE, _TILE), Image.Transform.EXTENT, window, Image.Resampling.BICUBIC, fillcolor="#ECEAE6"
    )
    draw = ImageDraw.Draw(crop)
    placed = [
        (line, [(value - start) * scale for value, start in zip(box, (left, top, left, top), strict=True)])
        for line, box in tile.boxes
    ]
    # White rims under all lines, so that these show on any photo.
    for line, corners in placed:
        _draw_box(draw, corners, replace(line, colour="white", dash="solid", width=line.width + 3))
    for line, corners in placed:
        _draw_box(draw, corners, line)
    return crop


def _draw_box(draw: ImageDraw.ImageDraw, corners: Sequence[float], line: Line) -> None:
    x1, y1, x2, y2 = corners
    for start, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        _draw_line(draw, start, end, line)


def _draw_line(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], line: Line) -> None:
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    steps = strokes(line) or [length + 1]
    at, number = 0.0, 0
    while at < length:
        stop = min(at + steps[number % len(steps)], length)
        if number % 2 == 0:
            ends = [tuple(a + (b - a) * t / length for a, b in zip(start, end, strict=True)) for t in (at, stop)]
            draw.line(ends, line.colour, max(2, round(line.width)))
        at, number = stop, number + 1


def _draw_legend(draw: ImageDraw.ImageDraw, legend: Sequence[tuple[str, Line]], palette: Palette) -> None:
    x = float(_GAP)
    for name, line in legend:
        _draw_line(draw, (x, 56), (x + 40, 56), line)
        draw.text((x + 48, 47), name, palette.ink, _small())
        x += 48 + draw.textlength(name, _small()) + 28


def _shortened(draw: ImageDraw.ImageDraw, text: str) -> str:
    """The text, cut so that it fits under a tile."""
    while draw.textlength(text, _small()) > _TILE:
        text = text.removesuffix("…")[:-1] + "…"
    return text


def _small() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(15)
