"""What visitors take home: detections as JSON, and one object's figures as a single HTML file that needs no network."""

import json
from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from app.objects import Head
from app.style import PAGE_CSS
from obcn.explain import PhotoDetections, detection_rows


def detections_json(
    file_name: str,
    found: Mapping[Head, PhotoDetections],
    classes: Mapping[Head, tuple[str, ...]],
    score: float,
    decode: str,
    stages: int,
) -> str:
    """COCO result rows of every detector above the score threshold, each with its ``model``, as a JSON list.

    Args:
        file_name: the photo's.
        found: each model's detections.
        classes: each model's classes.
        score: weaker detections are left out.
        decode: the decode rule of the bin head.
        stages: how many of its stages were used.
    """
    rows = [
        row
        | {"model": model, "decode": decode if detections.explanation.stages else "regression"}
        | ({"stages": stages} if detections.explanation.stages else {})
        for model, detections in found.items()
        for row, row_score in zip(
            detection_rows(detections, classes[model], image_id=1, file_name=file_name),
            detections.scores.tolist(),
            strict=True,
        )
        if row_score > score
    ]
    return json.dumps(rows, indent=1)


def figures_html(title: str, key: str, table: str, sections: Sequence[tuple[str, Sequence[go.Figure]]]) -> str:
    """One HTML page with plotly inside: a heading, the key to the lines, figures in rows, and the numbers.

    Args:
        title: plain text.
        key: HTML of the key to the lines.
        table: HTML of the numbers.
        sections: a sentence on what to look for, and the figures it is about.
    """
    parts, library = [], True
    for sentence, figures in sections:
        parts.append(f"<h2>{escape(sentence)}</h2><div class='row'>")
        for figure in figures:
            # The library goes in once, with the first figure.
            drawn = figure.to_html(full_html=False, include_plotlyjs=library, config={"displaylogo": False})
            parts.append(f"<div>{drawn}</div>")
            library = False
        parts.append("</div>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>{PAGE_CSS}'
        "<style>body { font: 15px system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }"
        "h2 { font-size: 1rem; font-weight: 400; margin: 2rem 0 0.5rem; }"
        ".row { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }</style>"
        f"<h1>{escape(title)}</h1>{key}{''.join(parts)}<h2>All boxes in numbers</h2>{table}</html>"
    )
