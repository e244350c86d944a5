"""What a scored photo shows, and for each final box where it came from.

Running the network (:class:`~obcn.models.scoring.PhotoScorer`) and deciding what it found (:func:`select`) are apart,
so that a viewer can move a threshold or change the decode rule without running the network again.
"""

from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from obcn.models.scoring import PhotoScorer, ScoredPhoto
from obcn.models.selection import DetectionThresholds, select_detections
from obcn.offsets import OffsetCodec, OffsetExplanation
from obcn.offsets.codecs import DecodeRule


@dataclass(frozen=True)
class PhotoDetections:
    """The D final boxes of one detector on one photo, best first, and what lies behind each.

    Attributes:
        width: of the photo, in pixels.
        height: of the photo, in pixels.
        boxes: (D, 4) final boxes, (x1, y1, x2, y2) in pixels, clipped to the photo.
        scores: (D,) by which they rank: class probabilities, or those lowered where the head is unsure of the box.
        probabilities: (D,) of the class.
        names: D class names.
        candidates: (D, 4) the candidate box each came from.
        outputs: (D, num_outputs) raw offset outputs.
        codec: how ``outputs`` were read.
        explanation: offsets, and for a bin head every stage's distribution.
    """

    width: int
    height: int
    boxes: Tensor
    scores: Tensor
    probabilities: Tensor
    names: tuple[str, ...]
    candidates: Tensor
    outputs: Tensor
    codec: OffsetCodec
    explanation: OffsetExplanation

    def __len__(self) -> int:
        return len(self.names)

    def above(self, score: float) -> "PhotoDetections":
        """Those with at least this score."""
        kept = self.scores >= score
        outputs = self.outputs[kept]
        return replace(
            self,
            boxes=self.boxes[kept],
            scores=self.scores[kept],
            probabilities=self.probabilities[kept],
            names=tuple(name for name, keep in zip(self.names, kept.tolist(), strict=True) if keep),
            candidates=self.candidates[kept],
            outputs=outputs,
            explanation=self.codec.explain(outputs),
        )

    def boxes_by(self, rule: DecodeRule) -> Tensor:
        """(D, 4) boxes that ``rule`` would give for the same candidates, clipped to the photo."""
        return self._boxes_of(self.codec.decoding(rule).decode(self.outputs))

    def boxes_after_stages(self) -> tuple[Tensor, ...]:
        """Per stage, the (D, 4) boxes after it, clipped to the photo; empty for regression."""
        return tuple(self._boxes_of(offsets) for offsets in self.explanation.partial)

    def _boxes_of(self, offsets: Tensor) -> Tensor:
        return clip_boxes_to_image(self.codec.box.decode(offsets, self.candidates), (self.height, self.width))


def detect_above(detector: PhotoScorer, photo: Image.Image, score: float, codec: OffsetCodec) -> PhotoDetections:
    """Run a detector on a photo; what it shows of at least this score, however low.

    A box is voted on by all that the detector scores, however few of them are shown.

    Args:
        detector: its threshold is lowered to ``score`` meanwhile, where that is lower.
        photo: upright, in RGB.
        score: least score.
        codec: the detector's, or its ``decoding(...)`` another way.
    """
    thresholds = detector.thresholds
    detector.thresholds = replace(thresholds, score=min(score, thresholds.score))
    try:
        return select(detector.score(photo), codec, detector.thresholds).above(score)
    finally:
        detector.thresholds = thresholds


def select(scored: ScoredPhoto, codec: OffsetCodec, thresholds: DetectionThresholds) -> PhotoDetections:
    """Decide what a scored photo shows; cheap, and pure.

    Args:
        scored: what a detector says of it.
        codec: the detector's, or its ``decoding(...)`` another way.
        thresholds: what survives.
    """
    found = select_detections(scored.candidates, (scored.height, scored.width), codec, thresholds)
    return PhotoDetections(
        width=scored.width,
        height=scored.height,
        boxes=found["boxes"],
        scores=found["scores"],
        probabilities=found["probabilities"],
        names=tuple(scored.classes[label - 1] for label in found["labels"].tolist()),
        candidates=found["candidates"],
        outputs=found["offset_outputs"],
        codec=codec,
        explanation=codec.explain(found["offset_outputs"]),
    )


def detection_rows(found: PhotoDetections, category_ids: dict[str, int], image_id: int, file_name: str) -> list[dict]:
    """COCO result rows, with the file's and class's names beside the ids; bbox is (x, y, width, height) in pixels.

    Args:
        found: one photo's detections.
        category_ids: id of each class by its name.
        image_id: the photo's id.
        file_name: the photo's name.
    """
    return [
        {
            "image_id": image_id,
            "file_name": file_name,
            "category_id": category_ids[name],
            "category": name,
            "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(score, 4),
        }
        for name, (x1, y1, x2, y2), score in zip(found.names, found.boxes.tolist(), found.scores.tolist(), strict=True)
    ]
