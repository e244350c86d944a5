"""Running models on a data set in the background: record files that grow by parts, so that a stop or a crash costs
little, and that appear whole or not at all."""

import hashlib
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import streamlit as st

from app.detectors import ModelFile, stamp
from app.paths import typed_path
from app.sources import is_data_file, photo_folder, read_source, source_stamp, voc_root
from obcn.checkpoints import SHIPPED_CHECKPOINTS
from obcn.data import Annotations
from obcn.errors import UserError
from obcn.opening import detector_name, open_detector
from obcn.records.files import join_records
from obcn.records.write import write_records

FOLDER = Path("runs/app-records")
# Photos to a part: what a stop costs at most, about ten seconds on two processor cores.
PART = 50

State = Literal["new", "waiting", "running", "stopped", "failed", "done"]


@dataclass(frozen=True)
class Job:
    """One model on one data set.

    Attributes:
        model: what to run.
        data: where the true boxes are, as :mod:`app.sources` takes it.
        photos: folder of the photos.
        path: the record file.
    """

    model: ModelFile
    data: str
    photos: str
    path: Path

    @classmethod
    def of(cls, model: ModelFile, data: str, photos: str, annotations: Annotations) -> "Job":
        """The job of a model on the photos of a data set that are there.

        Its file is another one for other weights, other annotations, or other photos.
        """
        source = typed_path(data).resolve()
        names = [image["file_name"] for image in annotations.images]
        folder = f"{source.stem}-{_digest(source, source_stamp(data), annotations.folder.resolve(), *names)}"
        weights = (
            f"{detector_name(str(model.path)).replace('/', '-')}-{_digest(model.path.resolve(), stamp(model.path))}"
        )
        return cls(model, data, photos, FOLDER / folder / f"{weights}.parquet")

    @property
    def command(self) -> str:
        """What writes the same file in a shell, as far as there is such a command."""
        root = voc_root(self.data)
        if is_data_file(self.data):
            where = ["--data", self.data]
        elif root is None:
            where = ["--images", self.photos, "--annotations", self.data]
        else:
            where = ["--voc", str(root)]
            where += ["--split", Path(self.data).stem] if self.data.endswith(".txt") else []
        path = self.model.path
        name = path.stem if path.parent == SHIPPED_CHECKPOINTS else str(path)
        return shlex.join(["obcn", "eval", "--model", name, *where, "--records", str(self.path)])


def photos_to_run(data: str, photos: str) -> tuple[Annotations, int]:
    """A data set without the photos that are not there, and how many these are.

    Raises:
        UserError: missing, damaged, or none of its photos is there.
    """
    folder = photo_folder(data, photos)
    return _photos_to_run(data, photos, source_stamp(data), folder.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _photos_to_run(data: str, photos: str, *stamps: int) -> tuple[Annotations, int]:
    annotations = read_source(data, photos)
    images = [image for image in annotations.images if annotations.path(image).is_file()]
    if not images:
        raise UserError(f"none of the photos of {data} is in {annotations.folder}")
    return _only(annotations, images), len(annotations) - len(images)


def write(job: Job, device: str = "cpu", on_photos: Callable[[int], None] = lambda _: None) -> None:
    """Write a job's record file, going on from the parts that an earlier run left.

    Args:
        job: which.
        device: where the network runs.
        on_photos: called with the number of photos done, after each and at the start; what it raises ends the run.

    Raises:
        UserError: a photo or the checkpoint cannot be read, or the file not be written.
    """
    if job.path.is_file():
        return
    detector, card = open_detector(str(job.model.path), device)
    name = detector_name(str(job.model.path))
    annotations, _ = photos_to_run(job.data, job.photos)
    annotations = of_classes(annotations, detector.classes)
    parts = []
    for start in range(0, len(annotations), PART):
        part = _parts(job) / f"{start:08d}.part"
        parts.append(part)
        images = annotations.images[start : start + PART]
        if not part.is_file():
            done = iter(range(start + 1, start + PART + 1))
            part_annotations = _only(annotations, images)
            on_photo = partial(_count, done, on_photos)
            write_records(detector, name, card, part_annotations, part, job.command, job.data, on_photo)
        on_photos(start + len(images))
    join_records(parts, job.path)
    shutil.rmtree(_parts(job))


def _count(done: Iterator[int], on_photos: Callable[[int], None]) -> None:
    on_photos(next(done))


def done_before(job: Job, total: int) -> int:
    """Photos of a job that need not be looked at again.

    Args:
        job: which.
        total: how many photos it has.
    """
    return total if job.path.is_file() else min(total, PART * len(list(_parts(job).glob("*.part"))))


def of_classes(annotations: Annotations, classes: Sequence[str]) -> Annotations:
    """The data set as a detector of these classes sees it: objects of others are left out.

    A class without an object is listed too, so that what the detector takes for it counts as a false alarm.

    Raises:
        UserError: the data set has none of the classes.
    """
    shared = [category for category in annotations.categories if category["name"] in classes]
    if not shared:
        there = ", ".join(annotations.classes)
        raise UserError(f"the photos have no object of {', '.join(classes)}; there are: {there or 'none'}")
    absent = [name for name in classes if name not in annotations.classes]
    free = max(category["id"] for category in annotations.categories) + 1
    categories = shared + [{"id": free + number, "name": name} for number, name in enumerate(absent)]
    known = {category["id"] for category in shared}
    boxes = [box for box in annotations.coco["annotations"] if box["category_id"] in known]
    return Annotations(annotations.folder, {**annotations.coco, "categories": categories, "annotations": boxes})


class Run:
    """A job at work, or not yet, or no more; shared by all visitors. Only one runs at a time, the others wait."""

    _turn = threading.Lock()

    def __init__(self, job: Job, total: int) -> None:
        self.job = job
        self.total = total
        self.done = done_before(job, total)
        self.error = ""
        self.state: State = "done" if job.path.is_file() else "stopped" if self.done else "new"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = (0.0, 0)

    @property
    def active(self) -> bool:
        """Whether it runs or waits for its turn."""
        return self.state in ("waiting", "running")

    @property
    def seconds_left(self) -> float | None:
        """A guess from the pace so far; None before there is one."""
        began, before = self._began
        photos = self.done - before
        return (time.monotonic() - began) / photos * (self.total - self.done) if photos > 0 else None

    def start(self, device: str) -> None:
        """Begin, or go on. Nothing happens while it is active."""
        if not self.active:
            if self._thread is not None:
                self._thread.join()
            self._stop.clear()
            self.state, self.error = "waiting", ""
            self._thread = threading.Thread(target=self._work, args=(device,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop after the photo at hand; what has been written stays."""
        self._stop.set()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._thread.join()

    def _work(self, device: str) -> None:
        try:
            while not self._turn.acquire(timeout=0.1):
                self._heed()
            try:
                self._began = time.monotonic(), self.done
                self.state = "running"
                write(self.job, device, self._count)
            finally:
                self._turn.release()
            self.done, self.state = self.total, "done"
        except _StoppedError:
            self.done, self.state = done_before(self.job, self.total), "stopped"
        except UserError as error:
            self.error, self.state = str(error), "failed"
        except Exception as error:  # whatever goes wrong in a thread would else be silent
            self.error, self.state = f"{type(error).__name__}: {error}", "failed"

    def _count(self, done: int) -> None:
        self._heed()
        self.done = done

    def _heed(self) -> None:
        if self._stop.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """A visitor wants no more."""


def runs_of(jobs: Sequence[Job], total: int) -> list[Run]:
    """The run of each job, the same for every visitor."""
    known = _known()
    with known.lock:
        for job in jobs:
            run = known.runs.get(str(job.path))
            # Record files come and go without this server: what it remembers of one may be untrue.
            if run is None or (not run.active and (run.state == "done") != job.path.is_file()):
                known.runs[str(job.path)] = Run(job, total)
        return [known.runs[str(job.path)] for job in jobs]


class _Known:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs: dict[str, Run] = {}


@st.cache_resource(show_spinner=False)
def _known() -> _Known:
    return _Known()


def _parts(job: Job) -> Path:
    return job.path.with_suffix(".parts")


def _only(annotations: Annotations, images: list[dict]) -> Annotations:
    boxes = [box for image in images for box in annotations.boxes_of(image)]
    return Annotations(annotations.folder, {**annotations.coco, "images": images, "annotations": boxes})


def _digest(*words: object) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:8]
