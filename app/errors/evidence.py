"""What the Errors page is about: record files, their tables and their lines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from app.errors import load
from app.markup import plain
from app.records.choice import Choice
from app.records.found import stamp
from app.widgets import theme_palette
from obcn.errors import UserError
from obcn.figures.lines import model_lines
from obcn.figures.palette import DARK, Line, Palette
from obcn.records.files import RecordInfo


@dataclass(frozen=True)
class Evidence:
    """What all figures of the page share.

    Attributes:
        choice: of record files.
        models: paths and names of those with errors to show, regression first.
        infos: by name.
        lines: by name.
        palette: the theme's.
        tables: of :func:`app.errors.load.error_tables`.
        key: tells it from the evidence of other files, or in another theme.
    """

    choice: Choice
    models: tuple[tuple[Path, str], ...]
    infos: Mapping[str, RecordInfo]
    lines: Mapping[str, Line]
    palette: Palette
    tables: load.Tables
    key: tuple


def gather_evidence(choice: Choice) -> Evidence | None:
    """The evidence of every file that has errors, None without any; what is wrong with others is said on the page.

    Raises:
        UserError: a file is damaged.
    """
    models, infos = [], {}
    # Regression first: differences are from the first.
    order = sorted(range(len(choice.paths)), key=lambda number: choice.infos[number].num_stages > 0)
    for number in order:
        path, name = choice.paths[number], choice.names[number]
        try:
            load.rows_of(path, name)
        except UserError as error:
            st.warning(f"{plain(str(error))}. It is left out.", icon=":material/warning:")
            continue
        models.append((path, name))
        infos[name] = choice.infos[number]
    if not models:
        return None
    palette = theme_palette()
    styles = model_lines(choice.names, palette)
    lines = {name: replace(styles[name], label=name) for _, name in models}
    tables = load.error_tables(models)
    # A model's line follows from all that are chosen, those without errors included.
    key = (*((str(path), name, stamp(path)) for path, name in models), tuple(choice.names), palette is DARK)
    return Evidence(choice, tuple(models), infos, lines, palette, tables, key)
