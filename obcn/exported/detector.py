"""A detector from an .onnx file, as all else here takes detectors: scores of a photo, and a codec to read them."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image

from obcn.errors import UserError

try:
    from obcn.exported import trial
except ImportError as missing:
    raise UserError("detectors from .onnx files need two more packages: pip install 'obcn[onnx]'") from missing
from obcn.exported import coco
from obcn.exported.card import Known, known_of
from obcn.exported.described import FLOOR, ExportedCard
from obcn.exported.graph import Graph, read_model
from obcn.exported.hints import read_hints
from obcn.exported.own import OwnWords, own_words
from obcn.exported.plain import FEW, PlainReading, find_plain
from obcn.exported.preprocessing import feed
from obcn.exported.raw import find_raw
from obcn.exported.reading import UNDECODED, Reading, Tensors
from obcn.exported.search import find_reading
from obcn.exported.structure import chooses, is_quantised
from obcn.models.scoring import ScoredPhoto, reduced
from obcn.models.selection import ScoredCandidates
from obcn.offsets import DistanceBinCodec, OffsetCodec

MOST_CANDIDATES = 3000
QUANTISED = "the file is quantised, which rounds distributions: boxes are compared as they are; export it unquantised"


class ExportedDetector:
    """A :class:`~obcn.models.scoring.PhotoScorer` around an onnxruntime session.

    Attributes:
        classes: names; label 1 is the first. :meth:`only` leaves some out.
        codec: how outputs are read; regression's where the file keeps no distribution.
        thresholds: what survives of the scored candidates.
        card: what is known of the file.
    """

    def __init__(
        self,
        name: str,
        graph: Graph,
        known: Known,
        reading: Reading | PlainReading,
        tensors: Tensors,
        device: str,
        words: OwnWords | None = None,
    ) -> None:
        self._inputs = graph.inputs
        self._preprocessing = known.preprocessing
        self._reading = reading
        count = _count_classes(reading, tensors)
        self.classes, self._places, assumed = _class_names(known.classes, count, exact=reading.scores is not None)
        self._columns = self._places
        if isinstance(reading, PlainReading) and not tensors[reading.boxes].size:
            assumed.append("nothing was found on the check picture: boxes are taken to be corners in pixels")
        chosen = chooses(graph)
        suppress = reading.duplicates if isinstance(reading, PlainReading) else _has_duplicates(reading, chosen)
        without = QUANTISED if is_quantised(graph) else "no distribution: boxes are compared as they are"
        checked = _checked(reading) if isinstance(reading, Reading) else without
        self.card = _card(name, self.classes, known, reading, assumed, suppress, checked, words)
        self.thresholds, self.codec = self.card.thresholds, self.card.codec
        self._cells: np.ndarray | None = None
        if isinstance(reading, Reading) and reading.pyramid is not None:
            self._cells = reading.pyramid.cells(known.preprocessing.width, known.preprocessing.height)
        self._session = trial.session_of(graph.model, reading.tensors, device)

    def only(self, names: Collection[str]) -> None:
        """From now on find objects of these classes alone, of those that it knows."""
        kept = [(name, place) for name, place in zip(self.card.classes, self._places, strict=True) if name in names]
        self.classes, self._columns = tuple(name for name, _ in kept), [place for _, place in kept]

    def score(self, photo: Image) -> ScoredPhoto:
        """Run the network once over an RGB photo.

        Raises:
            UserError: the network fails on it.
        """
        shown = reduced(photo)
        settings = self._preprocessing.for_photo(shown)
        given = trial.run(self._session, feed(self._inputs, settings, shown))
        tensors = dict(zip(self._reading.tensors, given, strict=True))
        size = settings.width, settings.height
        if isinstance(self._reading, PlainReading):
            candidates, probabilities = self._reading.read(tensors, *size, max(self._places) + 1)
            probabilities = self._of_classes(probabilities)
            outputs = np.zeros((len(candidates), 4), dtype=np.float32)
            kept = _worth_keeping(probabilities)
            outputs = outputs[kept]
        else:
            probabilities = self._of_classes(self._reading.scores.rows(tensors))
            kept = _worth_keeping(probabilities)
            candidates = self._candidates(tensors, size)
            rows = [layer.rows(tensors)[kept].astype(np.float32) for layer in self._reading.layers]
            outputs = np.concatenate([layer.reshape(len(layer), 4 * layer.shape[2]) for layer in rows], 1)
        boxes = settings.to_photo(candidates[kept], photo.width, photo.height)
        # By numpy: onnxruntime's threads spin for a while after a run, and PyTorch's would wait for the cores.
        likely = np.clip(probabilities[kept].astype(np.float32, copy=False), 0, 1)
        # Sigmoids know no background: what the likeliest class leaves over.
        background = 1 - likely.max(1, keepdims=True, initial=0)
        scored = ScoredCandidates(
            torch.from_numpy(np.ascontiguousarray(boxes, dtype=np.float32)),
            torch.from_numpy(np.concatenate((background, likely), 1)),
            self._as_written(torch.from_numpy(outputs))[:, None],
        )
        return ScoredPhoto(photo.width, photo.height, self.classes, scored)

    def _as_written(self, log_weights: torch.Tensor) -> torch.Tensor:
        """Outputs of the head itself: what is found in a graph goes into a softmax."""
        codec = self.card.codec
        return codec.outputs_of(log_weights) if isinstance(codec, DistanceBinCodec) else log_weights

    def _of_classes(self, probabilities: np.ndarray) -> np.ndarray:
        """Columns of the classes that are looked for, in place where that is all of them."""
        every = self._columns == list(range(probabilities.shape[1]))
        return probabilities if every else probabilities[:, self._columns]

    def _candidates(self, tensors: Tensors, size: tuple[int, int]) -> np.ndarray:
        """(A, 4) boxes that the numbers start from, in the network's pixels."""
        if self._cells is not None:
            return self._cells
        assert isinstance(self._reading, Reading)
        assert self._reading.reference is not None
        name, layout = self._reading.reference
        return layout.corners(tensors[name], *size)


def open_exported(path: str | Path, device: str = "cpu") -> ExportedDetector:
    """A detector from an .onnx file, its distributions included where it keeps any.

    The file is parsed and run on one picture in a process of bounded memory first. Then what was found in it must give
    back the boxes that it computes itself.

    Args:
        path: the file; a YAML beside it (``FILE.onnx.yaml``) may say what it does not.
        device: ``cpu``, or ``cuda`` where onnxruntime can.

    Raises:
        UserError: damaged, unsafe, no detector, or its distributions do not give back its boxes.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: no such file")
    try:
        tensors = trial.try_out(file)
        graph = Graph(read_model(file))
        known = known_of(graph, read_hints(file))
        words = own_words({entry.key: entry.value for entry in graph.model.metadata_props})
        tried = known.preprocessing.for_photo(trial.check_picture())
        size = tried.width, tried.height
        classes, hints = len(known.classes), known.hints
        reading: Reading | PlainReading | None = find_reading(graph, tensors, *size, classes, hints.scores)
        if reading is None and words is not None:
            reading = words.plain_reading()
        if reading is None:
            reading = find_raw(graph, tensors, *size, classes, hints.bins, hints.anchors)
        if reading is None:
            reading = find_plain(graph, tensors, classes, hints.scores)
        return ExportedDetector(file.stem, graph, known, reading, tensors, device, words)
    except UserError as error:
        message = str(error)
        raise UserError(message if file.name in message else f"{file.name}: {message}") from error


def _worth_keeping(probabilities: np.ndarray) -> np.ndarray:
    """Rows that may count, in the file's order."""
    if not probabilities.size:
        return np.zeros(0, dtype=int)
    best = probabilities.max(1)
    if len(best) <= FEW:
        return np.arange(len(best))
    kept = np.flatnonzero(best > FLOOR)
    if len(kept) > MOST_CANDIDATES:
        kept = np.sort(kept[np.argsort(-best[kept], kind="stable")[:MOST_CANDIDATES]])
    return kept


def _has_duplicates(reading: Reading, chosen: set[str]) -> bool:
    """Whether several boxes of one object are left for NMS: not from queries, nor where the file takes the best k."""
    if reading.steps_per_size is not None:
        return False
    return not ("TopK" in chosen and "NonMaxSuppression" not in chosen)


def _count_classes(reading: Reading | PlainReading, tensors: Tensors) -> int:
    if reading.scores is not None:
        return reading.scores.count
    assert isinstance(reading, PlainReading)
    assert reading.label is not None
    labels = tensors[reading.label[0]]
    matrix = labels.reshape(-1, labels.shape[-1]) if labels.dtype.kind == "f" else labels.reshape(-1, 1)
    return int(matrix[:, reading.label[1]].max(initial=0)) + 1


def _class_names(told: tuple[str, ...], count: int, exact: bool) -> tuple[tuple[str, ...], list[int], list[str]]:
    """Names, the place of each among the scores or labels, and what is assumed of them.

    Args:
        told: names from the file or its YAML, or none.
        count: of scores, or one more than the largest label.
        exact: whether there are no more: labels on one picture tell only the least.

    Raises:
        UserError: told are others than there are.
    """
    by_id = coco.are_ids(count, len(told)) or (not exact and len(coco.NAMES) < count <= coco.NUM_IDS)
    if by_id and told in ((), coco.NAMES):
        return coco.NAMES, list(coco.IDS), ["its classes are COCO's, by their ids"]
    if told and (len(told) < count or (exact and len(told) > count)):
        last = ", or say scores=softmax if the last is for no object" if exact and count == len(told) + 1 else ""
        raise UserError(
            f"the file scores {count} classes, but {len(told)} are named; name all {count} in its YAML{last}"
        )
    if told:
        return told, list(range(len(told))), []
    if count == len(coco.NAMES) or (count == len(coco.NAMES) - 1 and not exact):
        return coco.NAMES, list(range(count if exact else len(coco.NAMES))), ["its 80 classes are COCO's"]
    # Labels may come on other pictures that were not seen on this one.
    count = count if exact else max(count, coco.NUM_IDS)
    return tuple(f"class {number}" for number in range(1, count + 1)), list(range(count)), ["its classes have no names"]


def _card(
    name: str,
    classes: tuple[str, ...],
    known: Known,
    reading: Reading | PlainReading,
    assumed: list[str],
    suppress: bool,
    checked: str,
    own: OwnWords | None,
) -> ExportedCard:
    settings = known.preprocessing
    size = f"{settings.resize} to {settings.width} x {settings.height} px"
    words = ["photos of any size" if settings.resize == "none" else size, settings.channels.upper()]
    plain = settings.mean == (0.0, 0.0, 0.0) and settings.std == (1.0, 1.0, 1.0)
    words.append(f"0 to {settings.largest:g}" if plain else f"less {settings.mean}, over {settings.std}")
    words.append("NMS after" if suppress else "no NMS")
    all_assumed = [*known.assumed, *assumed]
    if reading.scores is not None and reading.scores.objectness is not None:
        all_assumed.append("the first score says whether there is any object, and is no class's")
    found = reading if isinstance(reading, Reading) else None
    all_assumed += found.assumed if found else ()
    return ExportedCard(
        name=name,
        classes=classes,
        family=found.family if found else "none",
        points=found.points if found else (),
        layers=len(found.layers) if found else 0,
        steps_per_size=found.steps_per_size if found else None,
        strides=found.pyramid.strides if found and found.pyramid else (),
        width=settings.width,
        height=settings.height,
        preprocessing=", ".join(words),
        checked=checked,
        assumed=tuple(all_assumed),
        suppress=suppress,
        added=found.added if found else (),
        offsets=own.offsets if own and found and _says_the_same(own.offsets.build(), found) else None,
        asked=own.selection if own else None,
    )


def _says_the_same(codec: OffsetCodec, reading: Reading) -> bool:
    """Whether a codec's bins are the points that were found."""
    if reading.family != "from candidates":
        return False
    stages = codec.explain(torch.zeros(1, codec.num_outputs)).stages
    found = (reading.points, *reading.added)
    return len(stages) == len(found) and all(
        len(points) == len(stage.representatives) and np.allclose(points, stage.representatives, atol=1e-5)
        for points, stage in zip(found, stages, strict=True)
    )


def _checked(reading: Reading) -> str:
    check = reading.check
    if check is None:
        return "not checked: the file gives no boxes"
    what = UNDECODED if check.tensor == UNDECODED else "boxes"
    return f"{check.boxes} {what} given back to {check.worst:.2g} px ({check.tolerance:g} px allowed)"
