"""``obcn app``."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from obcn.errors import UserError
from obcn.opening import is_exported
from obcn.resources import ROOT

# What app/.streamlit/config.toml allows, which names on the command line replace.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the app listens, on this machine alone.")] = 8501,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="A .safetensors file with its card, or an .onnx file, to open first; give several, each with --model."
        ),
    ] = None,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="For strangers: no page reads a path that a visitor names.")
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A name by which browsers reach the app, beside this machine's own; others are refused."),
    ] = None,
) -> None:
    """Open the app in the browser, or serve it to others (docs/serving.md).

    Example: `obcn app --model runs/obcn/best.safetensors`
    """
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        raise UserError("the app needs Streamlit and plotly, which are not installed: pip install 'obcn[app]'")
    for path in model or ():
        needed = (path,) if is_exported(path) else (path, path.with_suffix(".json"))
        missing = next((file for file in needed if not file.is_file()), None)
        if missing or not (is_exported(path) or path.suffix == ".safetensors"):
            raise UserError(f"{path}: a model is a .safetensors file with its card (.json) beside it, or an .onnx file")
    environment = os.environ | {"OBCN_MODELS": os.pathsep.join(str(path.resolve()) for path in model or ())}
    if hosted:
        environment["OBCN_HOSTED"] = "1"
    # By its file, in the user's own folder: Streamlit reads the theme beside the file, and records land in that folder.
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py"), "--server.port", str(port)]
    if host:
        command += [word for name in (*LOOPBACK, *host) for word in ("--server.allowedHosts", name)]
    with subprocess.Popen(command, env=environment) as server:
        # Whoever stops this command means the server; Ctrl-C reaches both by itself.
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            status = server.wait()
        except KeyboardInterrupt:
            status = 130
    raise SystemExit(128 - status if status < 0 else status)
