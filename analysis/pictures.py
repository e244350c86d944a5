"""Figures as SVG or PNG, drawn by kaleido with a Chrome or Chromium, in a process of its own.

A browser may be missing, fail to start, or hang; none of that may cost a script its tables and pages.
"""

from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

TIME_LIMIT = 180


def draw_pictures(figures: dict[Path, go.Figure], time_limit: float = TIME_LIMIT) -> str | None:
    """Draw each figure into its file, whose ending says the format.

    Args:
        figures: by file.
        time_limit: seconds until a browser that does not answer is given up.

    Returns:
        Why there are no pictures, in one line; None if there are.
    """
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    pages = {path: figure.to_json() for path, figure in figures.items()}
    process = get_context("spawn").Process(target=_draw, args=(pages, sender), daemon=True)
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(time_limit) else f"the browser did not answer in {time_limit:g} s"
    except EOFError:
        return "the browser's process broke off"
    finally:
        process.kill()
        process.join()


def _draw(pages: dict[Path, str], sender: Connection) -> None:
    figures = [plotly.io.from_json(page) for page in pages.values()]
    try:
        # All at once: each call starts a browser.
        plotly.io.write_images(
            figures,
            list(pages),
            width=[figure.layout.width for figure in figures],
            height=[figure.layout.height for figure in figures],
            scale=[2 if path.suffix == ".png" else 1 for path in pages],
        )
    # Whatever goes wrong here is one thing to the caller: no pictures.
    except Exception as error:
        sender.send((str(error).strip().splitlines() or [type(error).__name__])[0])
    else:
        sender.send(None)
