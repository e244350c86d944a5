"""Figures as SVG or PNG, drawn by kaleido with a Chrome or Chromium, in a process of its own.

A browser may be missing, fail to start, or hang; none of that may cost a script its tables and pages. The process is
this file run as a script: one that multiprocessing starts would first run the caller's main module again, which under
Streamlit is the whole app.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

TIME_LIMIT = 180


def draw_pictures(figures: Mapping[Path, go.Figure], time_limit: float = TIME_LIMIT) -> str | None:
    """Draw each figure into its file, whose ending says the format.

    Args:
        figures: by file.
        time_limit: seconds until a browser that does not answer is given up.

    Returns:
        Why there are no pictures, in one line; None if there are.
    """
    pages = {str(path): figure.to_json() for path, figure in figures.items()}
    try:
        # -P: this folder's modules are the package's, not the script's.
        done = subprocess.run(
            [sys.executable, "-P", __file__],
            input=json.dumps(pages),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=time_limit,
        )
    except subprocess.TimeoutExpired:
        return f"the browser did not answer in {time_limit:g} s"
    if done.returncode == 0:
        return None
    return done.stdout.strip() or "the browser's process broke off"


def browser_found() -> bool:
    """Whether there is a Chrome or Chromium to draw with, looked for where kaleido looks."""
    try:
        from choreographer.browsers.chromium import Chromium
    except ImportError:  # it comes with kaleido
        return False
    path = Chromium.find_browser(skip_local=False)
    return path is not None and shutil.which(path) is not None


def _draw(pages: dict[str, str]) -> None:
    """Draw figures given as JSON by file.

    Raises:
        SystemExit: with status 1, the reason on stdout in one line.
    """
    figures = [plotly.io.from_json(page) for page in pages.values()]
    try:
        # All at once: each call starts a browser.
        plotly.io.write_images(
            figures,
            list(pages),
            width=[figure.layout.width for figure in figures],
            height=[figure.layout.height for figure in figures],
            scale=[2 if path.endswith(".png") else 1 for path in pages],
        )
        for path in map(Path, pages):
            if path.suffix == ".svg":
                path.write_text(_steady(path.read_text(encoding="utf-8")), encoding="utf-8")
    # Whatever goes wrong here is one thing to the caller: no pictures.
    except Exception as error:
        print((str(error).strip().splitlines() or [type(error).__name__])[0])
        sys.exit(1)


def _steady(svg: str) -> str:
    """The picture without the random words that plotly puts into its ids: one figure, the same bytes each time."""
    words = set(re.findall(r'(?: id="defs-| trace)(\w{6})"', svg))
    # Each follows a name; a number of the picture that reads alike does not.
    return re.sub(rf"(?<=[a-z-])(?:{'|'.join(words)})", "", svg) if words else svg


if __name__ == "__main__":
    _draw(json.load(sys.stdin))
