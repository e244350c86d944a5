"""Takes the README's pictures of the app anew: ``python -m tests.app.docs_pictures``."""

import io
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

from tests.app.browsing import ROOT, SLOW, finished
from tests.app.sample_records import sample_records
from tests.app.serving import chromium, served

# By file: the page, its address, the theme, and how much of the page is shown, in pixels.
PICTURES = {
    "compare": ("", {"photo": "dog"}, "light", 1420),
    "explore": ("explore", {}, "light", 1000),
    "loss_lab": ("loss_lab", {}, "dark", 1130),
}
# Whether every plot has been drawn.
DRAWN = """() => [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
    .every((chart) => chart.querySelector(".main-svg"))"""


def main() -> None:
    """Write docs/NAME.png of each."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, chromium() as browser:
        records = Path(folder) / "runs" / "records"
        records.mkdir(parents=True)
        for path in sample_records():
            shutil.copy(path, records)
        for name, (view, words, scheme, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1440, "height": height}, color_scheme=scheme)
            page.goto(f"{address}/{view}?{urlencode(words)}")
            finished(page)
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
