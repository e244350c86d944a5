"""What uploads cost in memory: ``python -m tests.app.memory`` prints a table of each part.

``--decode`` reads the largest picture of each kind that is accepted, in a process of its own. ``--server`` uploads
photos to a running app, and then the largest JPEG; ``--output`` keeps its figures, which docs/reliability.md shows.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from obcn.checkpoints import current_commit, now
from obcn.data.images import MOST_PIXELS, MOST_PIXELS_OF_WEBP
from tests.app.browsing import ROOT, SLOW, settled, upload
from tests.app.helpers import photo_bytes
from tests.app.serving import chromium, served

# The kinds that take most, with the mode that does.
KINDS = {"JPEG": "CMYK", "PNG": "RGBA", "WEBP": "RGBA", "BMP": "RGB", "GIF": "P", "TIFF": "F"}
# Uploads before the first figure: libraries keep some memory once they have been used.
WARM = 10
# Uploads between two figures, and of one visitor.
STEP, PER_VISITOR = 50, 25
FIGURES = ROOT / "results" / "benchmarks" / "memory.json"
DECODE = """
import sys
from pathlib import Path
from obcn.data import read_photo
from tests.app.memory import memory
before = memory("self", "VmHWM")
read_photo(Path(sys.argv[1]))
print(memory("self", "VmHWM") - before)
"""


def memory(process: int | str, field: str) -> int:
    """A process's ``VmRSS`` (now) or ``VmHWM`` (at most so far), MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) // 1000


def decode() -> None:
    """Peak memory of reading the largest picture of each kind."""
    print("| kind | mode | megapixels | peak, MB |\n|---|---|---:|---:|")
    for kind, mode in KINDS.items():
        side = int((MOST_PIXELS_OF_WEBP if kind == "WEBP" else MOST_PIXELS) ** 0.5)
        with tempfile.NamedTemporaryFile() as file:
            photo = Image.linear_gradient("L").resize((side, side)).convert("RGB" if mode == "CMYK" else "L")
            photo.convert(mode).save(file, kind)
            done = subprocess.run([sys.executable, "-c", DECODE, file.name], capture_output=True, text=True, check=True)
        print(f"| {kind} | {mode} | {side * side / 1e6:.0f} | {done.stdout.strip()} |", flush=True)


def server(uploads: int) -> dict[str, Any]:
    """Memory of the server before and after that many uploads, and the peak of the largest one.

    Returns:
        ``uploads``, number and MB after each fifty, and of the largest JPEG what it costs at its ``peak``,
        ``afterwards``, and after five small ones more, ``later``; MB.
    """
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, served(Path(folder)) as url:
        process = _process_at(urlsplit(url).port)
        page = _visit(browser, url)
        counted = []
        for number in range(1, WARM + uploads + 1):
            if number % PER_VISITOR == 0:
                page.context.close()
                page = _visit(browser, url)
            # Each of another size, so that none is known already.
            _upload(page, f"{number}.jpg", photo_bytes("JPEG", 640 + number, 480))
            if (number - WARM) % STEP == 0:
                counted.append((number, memory(process, "VmRSS")))
                print("after {} uploads: {} MB".format(*counted[-1]), flush=True)
        before = counted[-1][1]
        Path(f"/proc/{process}/clear_refs").write_text("5")  # its peak starts anew
        side = int(MOST_PIXELS**0.5)
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((side, side)).convert("RGB").save(buffer, "JPEG")
        _upload(page, "largest.jpg", buffer.getvalue())
        largest = {"peak": memory(process, "VmHWM") - before, "afterwards": memory(process, "VmRSS") - before}
        for number in range(5):
            _upload(page, f"last{number}.jpg", photo_bytes("JPEG", 500 + number, 400))
        largest["later"] = memory(process, "VmRSS") - before
        print(
            "the largest JPEG: {peak} MB more at the peak, {afterwards} MB afterwards, {later} MB later".format(
                **largest
            )
        )
        return {"uploads": counted, "largest": largest}


def _visit(browser: Browser, url: str) -> Page:
    page = browser.new_page()
    page.goto(url, timeout=SLOW)
    return page


def _upload(page: Page, name: str, content: bytes) -> None:
    before = page.url
    upload(page, name, content)
    page.wait_for_url(lambda now: now != before and "upload" in now, timeout=SLOW)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0, timeout=SLOW)


def _process_at(port: int) -> int:
    """The server's process, by its command."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"streamlit" in words and str(port).encode() in words:
            return int(folder.name)
    raise LookupError(f"no server at {port}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Both parts, or the one that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decode", action="store_true")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--uploads", type=int, default=200, help="a multiple of fifty")
    parser.add_argument("--output", type=Path, help=f"where to keep the server's figures: {FIGURES.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    if options.decode or not options.server:
        decode()
    if options.server or not options.decode:
        figures = server(options.uploads)
        if options.output:
            command = f"python -m tests.app.memory --server --uploads {options.uploads}"
            about = {"command": command, "commit": current_commit(), "date": now(), "cores": os.cpu_count()}
            options.output.write_text(json.dumps(about | figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
