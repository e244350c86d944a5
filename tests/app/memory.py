"""What uploads cost in memory: ``python -m tests.app.memory`` prints a table of each part.

``--decode`` reads the largest picture of each kind that is accepted, in a process of its own. ``--server`` uploads
photos to a running app, and then the largest JPEG.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import expect

from obcn.data.images import MOST_PIXELS, MOST_PIXELS_OF_WEBP
from tests.app.browsing import SLOW, settled, upload
from tests.app.helpers import photo_bytes
from tests.app.serving import chromium, served

# The kinds that take most, with the mode that does.
KINDS = {"JPEG": "CMYK", "PNG": "RGBA", "WEBP": "RGBA", "BMP": "RGB", "GIF": "P", "TIFF": "F"}
# Uploads before the first figure: libraries keep some memory once they have been used.
WARM = 10
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


def server(uploads: int) -> None:
    """Memory of the server before and after that many uploads, and the peak of the largest one."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, served(Path(folder)) as url:
        process = _process_at(urlsplit(url).port)
        page = browser.new_page()
        page.goto(url)
        for number in range(WARM + uploads):
            if number == WARM:
                print(f"after {WARM} uploads: {memory(process, 'VmRSS')} MB", flush=True)
            # Each of another size, so that none is known already.
            _upload(page, f"{number}.jpg", photo_bytes("JPEG", 640 + number, 480))
            if number > WARM and (number - WARM) % 50 == 49:
                print(f"after {number + 1} uploads: {memory(process, 'VmRSS')} MB", flush=True)
        before = memory(process, "VmRSS")
        Path(f"/proc/{process}/clear_refs").write_text("5")  # its peak starts anew
        side = int(MOST_PIXELS**0.5)
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((side, side)).convert("RGB").save(buffer, "JPEG")
        _upload(page, "largest.jpg", buffer.getvalue())
        print(f"the largest JPEG: {memory(process, 'VmHWM') - before} MB more at the peak, ", end="")
        print(f"{memory(process, 'VmRSS') - before} MB afterwards")
        for number in range(5):
            _upload(page, f"last{number}.jpg", photo_bytes("JPEG", 500 + number, 400))
        print(f"after 5 small ones: {memory(process, 'VmRSS') - before} MB")


def _upload(page, name: str, content: bytes) -> None:
    before = page.url
    upload(page, name, content)
    page.wait_for_url(lambda now: now != before and "upload" in now, timeout=SLOW)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


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
    parser.add_argument("--uploads", type=int, default=200)
    options = parser.parse_args(arguments)
    if options.decode or not options.server:
        decode()
    if options.server or not options.decode:
        server(options.uploads)


if __name__ == "__main__":
    main()
