"""What a file that `obcn export` wrote says of itself in its metadata, beside what is found in any file."""

import json
from typing import Annotated, Literal

import onnx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from obcn.config import InputConfig, Offsets, SelectionConfig
from obcn.errors import UserError
from obcn.exported.card import OWN_KEY
from obcn.exported.layout import BoxLayout
from obcn.exported.plain import PlainReading
from obcn.exported.reading import Scores
from obcn.models.selection import DetectionThresholds
from obcn.yaml_files import describe_problems

# What the graph gives out, beside the probabilities of each stage.
BOXES, SCORES, CANDIDATES = "boxes", "scores", "candidates"


class OwnThresholds(SelectionConfig):
    """A :class:`~obcn.models.selection.DetectionThresholds` as a file may ask for it."""

    score: Annotated[float, Field(ge=0, le=1)]
    nms_iou: Annotated[float, Field(ge=0, le=1)]
    per_image: Annotated[int, Field(ge=1, le=10_000)]


class OwnWords(BaseModel):
    """What only the writer of a detector can know.

    Attributes:
        version: of this form.
        name: the detector's.
        classes: names, in the order of the scores.
        input: how a photo is resized, normalised and padded; the file does it itself.
        offsets: how the head writes offsets. Believed where it says of the bins what is found in the graph.
        thresholds: what the detector makes of its candidates.
        points: in normalised offsets, where the probabilities of each stage stand; for those who read them elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    name: str
    classes: tuple[str, ...] = Field(min_length=1, max_length=100_000)
    input: InputConfig
    offsets: Offsets
    thresholds: OwnThresholds
    points: tuple[tuple[float, ...], ...] = ()

    @property
    def selection(self) -> DetectionThresholds:
        """The thresholds as detectors hold them."""
        return DetectionThresholds(**self.thresholds.model_dump())

    def plain_reading(self) -> PlainReading:
        """Where boxes and scores are, for a head that keeps no distribution."""
        count = len(self.classes)
        scores = Scores((SCORES,), count, 0, count, "as they are")
        return PlainReading(BOXES, BoxLayout(False, "corners", False), 0, scores, None, None, True)

    def write_into(self, model: onnx.ModelProto) -> None:
        """Add it to a file's metadata, with the classes' names under the key that others look for."""
        metadata = {"names": json.dumps(self.classes), OWN_KEY: self.model_dump_json()}
        model.metadata_props.extend(
            onnx.StringStringEntryProto(key=key, value=value) for key, value in metadata.items()
        )


def own_words(metadata: dict[str, str]) -> OwnWords | None:
    """What a file's metadata hold of it; None for files from elsewhere.

    Raises:
        UserError: they hold something else under that key.
    """
    if OWN_KEY not in metadata:
        return None
    try:
        return OwnWords.model_validate_json(metadata[OWN_KEY])
    except ValidationError as error:
        problems = describe_problems(error)
        raise UserError(f"its metadata are not what this version's `obcn export` writes ({problems})") from error
