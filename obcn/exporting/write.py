"""Writes a detector as one .onnx file, and keeps it only where it says what the detector says."""

import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from obcn import __version__
from obcn.checkpoints import Card
from obcn.errors import UserError
from obcn.explain import select
from obcn.exporting.agreement import Agreement, agreement
from obcn.exporting.network import ExportedNetwork
from obcn.files import replacing
from obcn.models.detector import Detector

if TYPE_CHECKING:
    import onnx

    from obcn.exported.detector import ExportedDetector

# The first that RoiAlign's places of samples can be chosen in is 16; this one has all operators that are needed.
OPSET = 18
# How far the file's boxes may lie from the detector's, in the photo's pixels.
TOLERANCE = 0.1
# That is known to follow a pyramid of any width; 2.11 and 2.12 stop where its smallest level could be of one.
LEAST_TORCH = "2.14"
# Of the photo that the exporter follows; files take any size.
EXAMPLE = (240, 320)


def export_detector(detector: Detector, card: Card, path: Path) -> tuple["ExportedDetector", Agreement]:
    """Write a detector to ``path``, with all that its card says of reading it.

    The file is opened as anybody's is (:func:`obcn.exported.open_exported`), and looks at one picture beside the
    detector, before it takes the place of ``path``.

    Args:
        detector: on the CPU, in evaluation mode.
        card: its card.
        path: the file.

    Returns:
        The opened file, and how it agrees with the detector on that picture.

    Raises:
        UserError: a package is missing or too old, the head is of a kind that cannot be written, or the file does not
            agree.
    """
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise UserError(f"writing .onnx files needs {', '.join(missing)}: pip install 'obcn[export]'")
    _refuse(card)
    if torch.__version__ < LEAST_TORCH:
        raise UserError(
            f"torch {torch.__version__} cannot write detectors: pip install 'obcn[export]' brings one that can"
        )
    from obcn.exported.detector import open_exported
    from obcn.exported.trial import check_picture

    model = _followed(detector, card)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        opened = open_exported(temporary)
        picture = check_picture()
        agreed = agreement(
            select(detector.score(picture), detector.codec, detector.thresholds),
            select(opened.score(picture), opened.codec, opened.thresholds),
        )
        if agreed.alone or agreed.pixels > TOLERANCE:
            raise UserError(
                f"the file does not say what the detector says: of the check picture {agreed.boxes} boxes agree to "
                f"{agreed.pixels:.3g} px ({TOLERANCE:g} px allowed) and {agreed.alone} are found by one alone"
            )
    return opened, agreed


def _refuse(card: Card) -> None:
    """Heads whose boxes are not the expectations of one distribution per coordinate."""
    offsets = card.config.box_head.offsets
    if not offsets.class_agnostic:
        raise UserError(f"{card.name} has a box for each class of a candidate; only class_agnostic: true is exported")
    if card.codec.rule == "argmax":
        raise UserError(
            f"{card.name} decodes by argmax, but a file's boxes are expectations: set decode: expectation in its card, "
            "and read the file with --decode argmax"
        )


def _followed(detector: Detector, card: Card) -> "onnx.ModelProto":
    """The detector's graph, with metadata."""
    network = ExportedNetwork(detector).eval()
    codec = detector.codec
    stages = codec.explain(torch.zeros(1, codec.num_outputs)).stages
    from obcn.exported.own import BOXES, CANDIDATES, SCORES, OwnThresholds, OwnWords

    with warnings.catch_warnings():
        # torchvision's and onnxscript's own affairs.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(1, 3, *EXAMPLE),),
            dynamo=True,
            verbose=False,
            external_data=False,
            opset_version=OPSET,
            dynamic_shapes=({2: "height", 3: "width"},),
            input_names=["photo"],
            output_names=[BOXES, SCORES, CANDIDATES, *(f"stage_{number}" for number in range(1, len(stages) + 1))],
        )
    assert program is not None
    model = program.model_proto
    words = OwnWords(
        name=card.name,
        classes=detector.classes,
        input=card.config.input,
        offsets=card.config.box_head.offsets,
        thresholds=OwnThresholds(**asdict(detector.thresholds)),
        points=tuple(tuple(stage.representatives.tolist()) for stage in stages),
    )
    _tidied(model)
    words.write_into(model)
    return model


def _tidied(model: "onnx.ModelProto") -> None:
    """Without what the exporter noted of its own way: places in source files, and names of unknown sizes."""
    model.producer_name, model.producer_version = "obcn", __version__
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        del part.metadata_props[:]
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[0].dim_param = "candidates"
