"""A stranger's file is first parsed and run in a process of its own, whose memory and time are bounded.

``python -m obcn.exported.trial FILE OUT`` writes the tensors that tell what the file computes of a real picture.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from obcn.errors import UserError
from obcn.exported.card import known_of
from obcn.exported.graph import Graph, read_model, stored_array
from obcn.exported.hints import read_hints
from obcn.exported.preprocessing import feed
from obcn.exported.structure import find_distributions, telling_tensors

PICTURE = Path(__file__).parent / "check.jpg"
MEMORY = 8 << 30
SECONDS = 180
# Tensors larger than this are neither boxes nor scores.
MAX_NUMBERS = 40_000_000


def try_out(file: Path) -> dict[str, np.ndarray]:
    """What the file computes of a real picture: tensors by name, those of :mod:`obcn.exported.structure`.

    Raises:
        UserError: damaged, unsafe, too slow, too large, or it does not run.
    """
    with tempfile.TemporaryDirectory(prefix="obcn-trial-") as folder:
        out = Path(folder) / "tensors.npz"
        command = [sys.executable, "-m", "obcn.exported.trial", str(file.resolve()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=_paths())
        except subprocess.TimeoutExpired as error:
            raise UserError(f"{file.name} was not through with one picture in {SECONDS} s") from error
        if done.returncode == 0:
            with np.load(out, allow_pickle=False) as tensors:
                names = json.loads(str(tensors["names"]))
                return {name: tensors[f"t{number}"] for number, name in enumerate(names)}
        lines = done.stdout.strip().splitlines()
        if done.returncode == 2 and lines:
            raise UserError(lines[-1])
        raise UserError(
            f"{file.name} cannot be opened: it is damaged, or needs more than {MEMORY >> 30} GiB for one picture"
        )


def session_of(model: onnx.ModelProto, outputs: list[str], device: str = "cpu") -> onnxruntime.InferenceSession:
    """A session of the model's graph that gives out these tensors, whatever the file itself gives out.

    Raises:
        UserError: onnxruntime cannot run it.
    """
    looked_into = onnx.ModelProto()
    looked_into.CopyFrom(model)
    del looked_into.graph.output[:]
    looked_into.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    providers: list[str | tuple[str, dict]] = ["CPUExecutionProvider"]
    # "cuda:1" is the second one, as a process of torchrun names it.
    kind, _, number = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(number or 0)}))
    try:
        return onnxruntime.InferenceSession(looked_into.SerializeToString(), options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions have no common type
        raise UserError(f"onnxruntime cannot run this file ({_one_line(error)})") from error


def run(session: onnxruntime.InferenceSession, fed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The session's outputs.

    Raises:
        UserError: it fails.
    """
    try:
        return session.run(None, fed)
    except Exception as error:  # onnxruntime's exceptions have no common type
        raise UserError(f"the file does not run on a photo of the size it asks for ({_one_line(error)})") from error


def check_picture() -> Image.Image:
    """The picture that every file is tried out on."""
    return Image.open(PICTURE).convert("RGB")


def _tell(file: Path, out: Path) -> None:
    graph = Graph(read_model(file))
    known = known_of(graph, read_hints(file))
    distributions = find_distributions(graph)
    wanted = [one for each in distributions for one in (each.logits, each.points)]
    wanted = list(dict.fromkeys([*wanted, *telling_tensors(graph, distributions)]))
    inputs = {value.name for value in graph.model.graph.input}
    asked = [name for name in wanted if name not in graph.stored and name not in inputs]
    session = session_of(graph.model, asked)
    picture = check_picture()
    fed = feed(graph.inputs, known.preprocessing.for_photo(picture), picture)
    found = dict(zip(asked, run(session, fed), strict=True))
    found |= {name: stored_array(graph.stored[name]) for name in wanted if name in graph.stored}
    kept = {
        name: value for name, value in found.items() if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    }
    # Of what the file gives out, nothing says something too: that it found nothing.
    least = {name: 0 if name in graph.outputs else 1 for name in kept}
    kept = {name: value for name, value in kept.items() if least[name] <= value.size <= MAX_NUMBERS}
    numbered = {f"t{number}": value for number, value in enumerate(kept.values())}
    np.savez(out, names=np.array(json.dumps(list(kept))), **numbered)  # type: ignore[arg-type]


def _paths() -> dict[str, str]:
    import os

    home = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))}


def _bound() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such bound
        return
    for what, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, 4 * SECONDS), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, hard))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "..."


def main() -> None:
    """Run as a process: a :class:`UserError` becomes the last line on stdout and exit status 2."""
    _bound()
    try:
        _tell(Path(sys.argv[1]), Path(sys.argv[2]))
    except UserError as error:
        print(error)
        raise SystemExit(2) from None
    except MemoryError:
        print(f"{Path(sys.argv[1]).name} needs more than {MEMORY >> 30} GiB for one picture")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
