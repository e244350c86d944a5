"""Figures and tables to take home. Nothing is drawn before it is asked for."""

import re
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.markup import plain
from obcn.errors import UserError
from obcn.figures.pictures import browser_found, draw_pictures

Picture = Literal["png", "svg"]
Thing = TypeVar("Thing", go.Figure, pd.DataFrame)

# What a figure that fills its column on the page is drawn as; pixels.
WIDTH, HEIGHT = 1000, 450
_TITLE_ROOM = 60
_PICTURES: dict[Picture, str] = {"png": "image/png", "svg": "image/svg+xml"}


def export_figures(figures: Mapping[str, go.Figure | Callable[[], go.Figure]], key: str) -> None:
    """Draw a button whose popover offers each figure as PNG, SVG and HTML.

    Args:
        figures: by title, which also names the file; each any, or what makes it once it is asked for.
        key: unique on the page.
    """
    # A figure's ink is the theme's, so its paper must be too: light text on white could not be read.
    paper = st.get_option(f"theme.{st.context.theme.type or 'light'}.backgroundColor")
    with st.popover("Export figures", icon=":material/download:", key=key):
        drawable = browser_found()
        if not drawable:
            st.caption(
                "PNG and SVG are drawn by a Chrome or Chromium, and none is installed where this app runs. HTML needs "
                "none; the figure's page can be printed from a browser."
            )
        for title, figure in figures.items():
            st.markdown(plain(title))
            with st.container(horizontal=True):
                for kind, mime in _PICTURES.items() if drawable else ():
                    _button(title, kind, mime, partial(_picture_of, figure, title, paper, kind), key)
                _button(title, "html", "text/html", partial(_page_of, figure, title, paper), key)


def export_table(table: pd.DataFrame | Callable[[], pd.DataFrame], name: str, label: str = "Export table") -> None:
    """Draw a button whose popover offers the table, without its index, as CSV and JSON.

    Args:
        table: any, or what makes it once it is asked for.
        name: what it is; names the file, and unique on the page.
        label: the button's.
    """
    key = f"export-{file_stem(name)}"
    with st.popover(label, icon=":material/download:", key=key):
        st.markdown(plain(name))
        with st.container(horizontal=True):
            _button(name, "csv", "text/csv", lambda: _made(table).to_csv(index=False), key)
            _button(name, "json", "application/json", lambda: _made(table).to_json(orient="records", indent=1), key)


def picture(figure: go.Figure, title: str, paper: str, kind: Picture) -> bytes:
    """The figure as the content of a picture file.

    Args:
        figure: any.
        title: drawn where the figure has none.
        paper: CSS colour behind it.
        kind: PNG has two pixels for each of the figure's.

    Raises:
        UserError: the browser that draws it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"figure.{kind}"
        reason = draw_pictures({path: printable(figure, title, paper)})
        if reason is not None:
            raise UserError(f"no {kind} of {title}: {reason}")
        return path.read_bytes()


def page(figure: go.Figure, title: str, paper: str) -> str:
    """The figure as an interactive HTML page that needs no network; arguments as in :func:`picture`."""
    return printable(figure, title, paper).to_html(include_plotlyjs=True, config={"displaylogo": False})


def printable(figure: go.Figure, title: str, paper: str) -> go.Figure:
    """A copy that stands alone: on paper, with a title, and as large as it says."""
    copy = go.Figure(figure)
    size = {"width": figure.layout.width or WIDTH, "height": figure.layout.height or HEIGHT}
    copy.update_layout(paper_bgcolor=paper, **size)
    if not figure.layout.title.text:
        top = figure.layout.margin.t or 0
        copy.update_layout(
            title={"text": title, "x": 0.01, "xanchor": "left", "y": 1 - 24 / (size["height"] + _TITLE_ROOM)},
            margin_t=top + _TITLE_ROOM,
            height=size["height"] + _TITLE_ROOM,
        )
    return copy


def file_stem(title: str) -> str:
    """A title as a file name without its ending."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _picture_of(figure: go.Figure | Callable[[], go.Figure], title: str, paper: str, kind: Picture) -> bytes:
    return picture(_made(figure), title, paper, kind)


def _page_of(figure: go.Figure | Callable[[], go.Figure], title: str, paper: str) -> str:
    return page(_made(figure), title, paper)


def _made(thing: Thing | Callable[[], Thing]) -> Thing:
    return thing() if callable(thing) else thing


def _button(title: str, kind: str, mime: str, make: Callable[[], bytes | str], key: str) -> None:
    st.download_button(
        kind.upper(),
        make,
        f"{file_stem(title)}.{kind}",
        mime,
        key=f"{key}-{file_stem(title)}-{kind}",
        on_click="ignore",
        help=f"{plain(title)} as {kind.upper()}",
    )
