"""Takes the README's pictures of the app anew: ``python -m tests.app.docs_pictures``, or only those that are named."""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

from app.detectors import VARIABLE
from tests.app.browsing import ROOT, SLOW, settled
from tests.app.sample_records import sample_records
from tests.app.serving import chromium, served

# By file: the page, its address, the theme, and how much of the page is shown, in pixels.
PICTURES = {
    "compare": ("", {"photo": "dog"}, "light", 1420),
    "explore": ("explore", {}, "light", 1000),
    "loss_lab": ("loss_lab", {}, "dark", 1130),
}
# The same of somebody else's detector, with which the app is started.
EXAMPLE = ROOT / "docs" / "example"
FOREIGN = {"foreign": ("", {"photos": str(EXAMPLE), "image": "page.png"}, "light", 1560)}
# Whether every plot has been drawn.
DRAWN = """() => !document.querySelector('[data-testid="stSkeleton"]')
    && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
    .every((chart) => chart.querySelector(".main-svg"))"""


def main() -> None:
    """Write docs/NAME.png of each."""
    names = sys.argv[1:]
    take({name: picture for name, picture in PICTURES.items() if not names or name in names})
    os.environ[VARIABLE] = str(EXAMPLE / "layout_cdla.onnx")
    take({name: picture for name, picture in FOREIGN.items() if not names or name in names})


def take(pictures: dict[str, tuple[str, dict[str, str], str, int]]) -> None:
    """Write those, from one server."""
    if not pictures:
        return
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, chromium() as browser:
        records = Path(folder) / "runs" / "records"
        records.mkdir(parents=True)
        for path in sample_records():
            shutil.copy(path, records)
        for name, (view, words, scheme, height) in pictures.items():
            page = browser.new_page(viewport={"width": 1440, "height": height}, color_scheme=scheme)
            page.goto(f"{address}/{view}?{urlencode(words)}")
            settled(page)
            # Plots and pictures come a little after the script's end, later on a busy machine.
            page.wait_for_function(DRAWN, timeout=SLOW)
            page.wait_for_timeout(3000)
            # 256 colours: a third of the bytes, and nobody sees the difference.
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256)
            picture.save(ROOT / "docs" / f"{name}.png", optimize=True)
            page.close()
            print(f"docs/{name}.png")


if __name__ == "__main__":
    main()
