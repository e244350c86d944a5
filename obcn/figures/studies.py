"""Figures of a study's results; pure: results in, plotly figure out."""

import plotly.graph_objects as go

from obcn.figures.layout import finish, stroke
from obcn.figures.lines import lines_in_order
from obcn.figures.palette import LIGHT, Palette
from obcn.studies.shared_gradients import OF_BOXES, shared_gradient_table
from obcn.studies.study_results import StudyResults


def study_figure(results: StudyResults, palette: Palette = LIGHT) -> go.Figure:
    """The figure that a study asks for.

    Args:
        results: of one study.
        palette: the theme's.
    """
    draw = {"gains": seed_gains_figure, "curves": curves_figure, "trade": trade_figure, "norms": norms_figure}[
        results.figure
    ]
    return draw(results, palette)


def curves_figure(results: StudyResults, palette: Palette = LIGHT) -> go.Figure:
    """AP against what varies along each curve, such as the number of bins; bars are standard deviations over seeds."""
    table = results.frame
    figure = go.Figure()
    for curve, line in lines_in_order(list(table.curve.unique()), palette).items():
        part = table[table.curve == curve]
        figure.add_scatter(
            x=part["at"],
            y=part.AP,
            error_y={"array": part.AP_sd, "thickness": 1, "width": 4},
            name=curve,
            mode="lines+markers",
            line=stroke(line),
            marker={"symbol": line.symbol, "size": 9, "color": line.colour},
            customdata=part[["row", "AP_sd", "seeds"]],
            hovertemplate="<b>%{customdata[0]}</b><br>AP %{y:.2f} ± %{customdata[1]:.2f} over %{customdata[2]} seeds"
            "<extra></extra>",
        )
    figure.update_xaxes(title_text=results.axis, tickvals=sorted(table["at"].unique()))
    figure.update_yaxes(title_text="AP, percent")
    finish(
        figure, results.title, f"{results.question} Bars: one standard deviation over seeds.", 560, palette, width=900
    )
    return figure


def seed_gains_figure(results: StudyResults, palette: Palette = LIGHT) -> go.Figure:
    """Gain in AP over the baseline, row by row: every seed, their mean with its deviation, and the paper's gain."""
    table = results.frame.iloc[::-1]
    rows = table[table.row != results.baseline]
    ours, paper = palette.lines["expectation"], palette.lines["stage"]
    figure = go.Figure()
    seeds = [
        (row, seed, ap - base)
        for row in rows.row
        for seed, outcome in results.outcomes[row].items()
        if (ap := outcome["AP"]) is not None and (base := results.outcomes[results.baseline][seed]["AP"]) is not None
    ]
    figure.add_scatter(
        x=[gain for _, _, gain in seeds],
        y=[row for row, _, _ in seeds],
        customdata=[seed for _, seed, _ in seeds],
        mode="markers",
        name="one seed",
        marker={"symbol": "circle-open", "size": 8, "color": ours.colour},
        hovertemplate="%{y}<br>seed %{customdata}: %{x:+.2f} points of AP<extra></extra>",
    )
    figure.add_scatter(
        x=rows.gain_AP,
        y=rows.row,
        error_x={"array": rows.gain_sd_AP, "thickness": 1.5, "width": 5},
        mode="markers",
        name="mean of the seeds, with their standard deviation",
        marker={"symbol": ours.symbol, "size": 11, "color": ours.colour},
        hovertemplate="<b>%{y}</b><br>%{x:+.2f} points of AP over " + results.baseline + "<extra></extra>",
    )
    if "paper_gain_AP" in rows:
        in_paper = rows[rows.paper_gain_AP.notna()]
        figure.add_scatter(
            x=in_paper.paper_gain_AP,
            y=in_paper.row,
            mode="markers",
            name="the paper, on its own data and detector",
            marker={"symbol": paper.symbol, "size": 12, "color": paper.colour},
            hovertemplate="<b>%{y}</b><br>the paper: %{x:+.1f} points of AP<extra></extra>",
        )
    figure.update_xaxes(title_text=f"gain in AP over {results.baseline}, points", zeroline=True)
    figure.update_yaxes(automargin=True, categoryorder="array", categoryarray=list(rows.row))
    finish(figure, results.title, results.question, 300 + 46 * len(rows), palette, width=980)
    figure.update_xaxes(zerolinecolor=palette.muted)
    return figure


def trade_figure(results: StudyResults, palette: Palette = LIGHT) -> go.Figure:
    """AP50 against AP90 along each curve: whether a head finds more objects, or places boxes better, or both.

    Args:
        results: of a study with curves; the numbers at the marks are what varies along them.
        palette: the theme's.
    """
    table = results.frame
    figure = go.Figure()
    for curve, line in lines_in_order(list(table.curve.unique()), palette).items():
        part = table[table.curve == curve]
        figure.add_scatter(
            x=part.AP90,
            y=part.AP50,
            error_x={"array": part.AP90_sd, "thickness": 1, "width": 3},
            error_y={"array": part.AP50_sd, "thickness": 1, "width": 3},
            name=curve,
            mode="lines+markers+text",
            text=[f"{value:g}" for value in part["at"]],
            textposition="top right",
            textfont={"color": line.colour},
            line=stroke(line),
            marker={"symbol": line.symbol, "size": 10, "color": line.colour},
            customdata=part[["row", "AP"]],
            hovertemplate="<b>%{customdata[0]}</b><br>AP %{customdata[1]:.1f}<br>AP50 %{y:.1f}<br>AP90 %{x:.1f}"
            "<extra></extra>",
        )
    figure.update_xaxes(title_text="AP90, percent: boxes that fit closely")
    figure.update_yaxes(title_text="AP50, percent: objects found")
    note = f"Up and to the right is better. Numbers: {results.axis}. Bars: one standard deviation over seeds."
    finish(figure, results.title, note, 640, palette, width=980)
    return figure


def norms_figure(results: StudyResults, palette: Palette = LIGHT) -> go.Figure:
    """AP against the norm of the box loss's gradient in the shared layers, a curve per loss; where none reaches them,
    the marks stand at the left edge.

    Args:
        results: of a study whose heads have a gate.
        palette: the theme's.
    """
    table = results.frame.join(shared_gradient_table(results)[[OF_BOXES]])
    smallest, largest = table.loc[table[OF_BOXES] > 0, OF_BOXES].agg(["min", "max"])
    edge = smallest / 3
    figure = go.Figure()
    for curve, line in lines_in_order(list(table.curve.unique()), palette).items():
        part = table[table.curve == curve].sort_values("at")
        figure.add_scatter(
            x=part[OF_BOXES].where(part[OF_BOXES] > 0, edge),
            y=part.AP,
            error_y={"array": part.AP_sd, "thickness": 1, "width": 3},
            name=curve,
            mode="lines+markers+text",
            text=[f"{share:g}" for share in part["at"]],
            # Beside the bars, and where the line does not come from.
            textposition=["bottom left" if step < 0 else "top left" for step in part.AP.diff()],
            textfont={"color": line.colour},
            line=stroke(line),
            marker={"symbol": line.symbol, "size": 9, "color": line.colour},
            customdata=part[["row", "AP_sd", OF_BOXES]],
            hovertemplate="<b>%{customdata[0]}</b><br>AP %{y:.2f} ± %{customdata[1]:.2f}<br>gradient norm "
            "%{customdata[2]:.3g}<extra></extra>",
        )
    ticks = [value for value in _ONE_TWO_FIVE if smallest <= value <= largest]
    figure.update_xaxes(
        title_text="norm of the box loss's gradient in the shared layers, mean over the run",
        type="log",
        tickvals=[edge, *ticks],
        ticktext=["none", *(f"{value:g}" for value in ticks)],
    )
    figure.update_yaxes(title_text="AP, percent")
    note = f"Numbers: {results.axis}. Bars: one standard deviation over seeds."
    finish(figure, results.title, note, 600, palette, width=980)
    return figure


_ONE_TWO_FIVE = [digit * 10.0**power for power in range(-4, 4) for digit in (1, 2, 5)]
