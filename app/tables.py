"""Tables of text as HTML that reads well on a narrow screen: the first column names the row, the rest scroll."""

from html import escape

import pandas as pd


def html_table(table: pd.DataFrame, label: str) -> str:
    """HTML of a table of text.

    Args:
        table: its first column holds the rows' names.
        label: what it is, for screen readers and for the keyboard, which can scroll it.
    """
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table.columns)
    body = []
    for name, *cells in table.itertuples(index=False):
        values = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        body.append(f'<tr><th scope="row">{escape(str(name))}</th>{values}</tr>')
    table_html = f'<table class="obcn-wide"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return scrolling(table_html, label)


def scrolling(table: str, label: str) -> str:
    """HTML of a table, given as HTML too, that the keyboard can scroll; ``label`` as in :func:`html_table`."""
    return f'<div class="obcn-scroll" role="region" tabindex="0" aria-label="{escape(label)}">{table}</div>'
