"""What visitors take home: every model's detections, and the comparison as one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import plotly.graph_objects as go

from app.compare.comparison import Comparison
from app.compare.found_objects import FoundObject
from app.compare.panels import line_of
from app.detectors import ModelFile
from app.style import PAGE_CSS
from obcn.checkpoints import Card
from obcn.data import CocoIds
from obcn.explain import detection_rows
from obcn.exported.described import ExportedCard
from obcn.figures.crops import DrawnBox, boxes_on_photo
from obcn.figures.palette import Palette

_WIDTH = 1100  # screen pixels that figures in a row share
_CSS = """<style>
body { font: 15px system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1d2229; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.25rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
.row > div { min-width: 0; }
.row h3 { font-size: 1rem; margin: 0.5rem 0; }
.said { font-size: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; }
dt { opacity: 0.75; }
dd { margin: 0; overflow-wrap: anywhere; }
</style>"""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence on what to look for, figures by their titles, and HTML of the key to their lines."""

    heading: str
    sentence: str
    figures: Mapping[str, go.Figure]
    key: str = ""


def detections_table(seen: Comparison) -> pd.DataFrame:
    """COCO result rows of every model above the score threshold, each with its ``model`` and how that decoded, ranked
    and merged."""
    rows = []
    for name, found in seen.found.items():
        stages = seen.stages_used(name)
        decoding: dict[str, object] = {"model": name, "decode": seen.settings.rule if stages else "regression"}
        decoding |= {"stages": stages, "temperature": seen.settings.temperature} if stages else {}
        thresholds = seen.thresholds(name)
        decoding |= {"rank_by": thresholds.rank_by, "merge_by": thresholds.merge_by}
        ids = CocoIds.numbered([], seen.models[name].card.classes).categories
        described = detection_rows(found, ids, image_id=1, file_name=seen.photo.name)
        strong = (found.scores > seen.settings.score).tolist()
        rows += [row | decoding for row, shown in zip(described, strong, strict=True) if shown]
    return pd.DataFrame(rows)


def report_html(
    seen: Comparison, item: FoundObject, palette: Palette, sentence: str, table: str, sections: Sequence[Section]
) -> str:
    """One HTML page with plotly inside: photos with every model's boxes, one object's figures, numbers, provenance.

    Args:
        seen: what the models say.
        item: the object.
        palette: of white paper, with a line for each model.
        sentence: why they differ.
        table: HTML of the object's numbers.
        sections: the object's figures.
    """
    title = escape(f"{seen.photo.name}: {item.name}")
    parts = [f"<h1>{title}</h1>", f'<p class="said">{escape(sentence)}</p>']
    photos = {name: _photo(seen, name, palette) for name in seen.models}
    whole = Section("What each model finds", "Every object above the score threshold.", photos)
    library = True
    for section in (whole, *sections):
        parts.append(f"<h2>{escape(section.heading)}</h2><p>{escape(section.sentence)}</p>")
        parts.append(f'{section.key}<div class="row">')
        for name, figure in section.figures.items():
            # The library goes in once, with the first figure.
            options = {"displaylogo": False, "responsive": True}
            drawn = figure.to_html(options, full_html=False, include_plotlyjs=library, default_width="100%")
            heading = "" if figure.layout.title.text else f"<h3>{escape(name)}</h3>"
            parts.append(f"<div>{heading}{drawn}</div>")
            library = False
        parts.append("</div>")
    parts += ["<h2>All boxes in numbers</h2>", table, "<h2>Settings</h2>", _settings(seen)]
    parts += ["<h2>Models</h2>", *(_provenance(model) for model in seen.models.values())]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>{PAGE_CSS}{_CSS}'
    return f"{head}{''.join(parts)}</html>"


def _photo(seen: Comparison, model: str, palette: Palette) -> go.Figure:
    boxes, line = seen.found[model].boxes, palette.lines[line_of(seen, model)]
    drawn = [
        DrawnBox(boxes[item.rows[model]], line, f"{item.name} {item.scores[model]:.2f}")
        for item in seen.objects
        if item.reported_by(model)
    ]
    figure = boxes_on_photo(seen.photo.image, drawn, palette)
    # As high as the photo is in its column, so that no empty band stands below it.
    columns = min(len(seen.models), 3)
    width, height = seen.photo.image.size
    return figure.update_layout(height=max(40, min(figure.layout.height, round(_WIDTH / columns * height / width))))


def _settings(seen: Comparison) -> str:
    settings = seen.settings
    thresholds = {name: seen.thresholds(name) for name in seen.models}
    return _list(
        {
            "photo": f"{seen.photo.name}, {seen.photo.image.width} by {seen.photo.image.height} px",
            "SHA-256 of the photo's file": seen.photo.digest,
            "decode rule": settings.rule,
            "stages used": str(settings.stages),
            "temperature": f"{settings.temperature:g}",
            "score threshold": f"{settings.score:g}",
            "NMS threshold (IoU)": f"{settings.nms_iou:g}",
            "rank by": ", ".join(f"{name}: {its.rank_by}" for name, its in thresholds.items()),
            "merge by": ", ".join(f"{name}: {its.merge_by}" for name, its in thresholds.items()),
            "device": settings.device,
        }
    )


def _provenance(model: ModelFile) -> str:
    card = model.card
    if isinstance(card, ExportedCard):
        return f"<h3>{escape(model.name)}</h3>" + _list(dict(card.lines()))
    assert isinstance(card, Card)
    training = card.training
    metrics = card.evaluation.metrics if card.evaluation else {}
    return f"<h3>{escape(model.name)}</h3>" + _list(
        {
            "config": card.name,
            "head": card.config.box_head.offsets.codec,
            "classes": ", ".join(card.classes),
            "trained on": f"{training.data}: {training.train_images} photos, {training.epochs:g} epochs",
            "seed": str(training.seed),
            "commit": training.commit,
            "command": training.command,
            "measured": ", ".join(f"{name} {value:.1f}" for name, value in metrics.items()) or "not yet",
        }
    )


def _list(entries: Mapping[str, str]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in entries.items()) + "</dl>"
    )
