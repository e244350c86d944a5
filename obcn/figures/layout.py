"""What all figures share: title, fonts, grid and legend."""

import plotly.graph_objects as go

from obcn.figures.palette import FONT, LIGHT, Line, Palette


def stroke(line: Line, width: float | None = None) -> dict:
    """Plotly's line of a model."""
    return {"color": line.colour, "dash": line.dash, "width": width or line.width}


def faded(colour: str, opacity: float) -> str:
    """A #RRGGBB colour made transparent."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def finish(figure: go.Figure, title: str, note: str, height: int, palette: Palette = LIGHT, width: int = 1200) -> None:
    """Title, one line of what to look for, fonts, grid, and the legend below."""
    text = f"<b>{title}</b><br><span style='font-size:13px;color:{palette.muted}'>{note}</span>"
    figure.update_layout(
        title={"text": text, "x": 0.01, "xanchor": "left", "y": 1 - 28 / height, "yanchor": "top"},
        title_font={"size": 18, "color": palette.ink},
        font={"family": FONT, "size": 12, "color": palette.ink},
        paper_bgcolor=palette.paper,
        plot_bgcolor=palette.paper,
        height=height,
        width=width,
        margin={"l": 70, "r": 20, "t": 110, "b": 90},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -70 / (height - 200), "yanchor": "top"},
        hoverlabel={"font": {"family": FONT}},
    )
    axis = {"gridcolor": palette.grid, "zerolinecolor": palette.grid, "linecolor": palette.muted, "title_standoff": 6}
    figure.update_xaxes(**axis, showline=True)
    figure.update_yaxes(**axis)
