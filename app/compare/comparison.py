"""What the chosen models say of one photo, and which of it is the same object. No drawing here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from app.compare import scoring
from app.compare.found_objects import FLOOR, FoundObject, find_objects
from app.compare.why import Answer, why_they_differ
from app.detectors import ModelFile
from app.photos import Photo
from obcn.explain import PhotoDetections, select
from obcn.figures.belief import Belief, belief_of
from obcn.models.scoring import DetectorCard, ScoredPhoto
from obcn.models.selection import DetectionThresholds, MergeBy, RankBy
from obcn.offsets.codecs import DecodeRule


@dataclass(frozen=True)
class Settings:
    """How the models' outputs are read.

    Attributes:
        rule: how heads with distributions decode.
        stages: how many of their stages they use; a head with fewer uses all it has.
        score: detections above it are shown.
        nms_iou: of two boxes of one class that overlap more, the weaker goes.
        temperature: divides the offset outputs of heads with distributions; above 1 flattens, below 1 sharpens.
        device: where the networks run.
        rank_by: what boxes rank by; None as each model's card says. A head without distributions ranks by score.
        merge_by: what becomes of duplicates; None as each model's card says.
    """

    rule: DecodeRule
    stages: int
    score: float
    nms_iou: float
    temperature: float
    device: str
    rank_by: RankBy | None = None
    merge_by: MergeBy | None = None


@dataclass(frozen=True)
class Comparison:
    """One photo in the eyes of several models.

    Attributes:
        photo: what they looked at.
        models: by name, in the order in which they are shown.
        settings: how their outputs were read.
        found: each model's detections down to the floor.
        objects: what at least one of them reports, best first.
    """

    photo: Photo
    models: Mapping[str, ModelFile]
    settings: Settings
    found: Mapping[str, PhotoDetections]
    objects: list[FoundObject]

    @property
    def believers(self) -> list[str]:
        """Models that keep distributions."""
        return [name for name, model in self.models.items() if num_stages(model.card)]

    def boxes_of(self, item: FoundObject) -> dict[str, Tensor]:
        """Each model's (4,) box of an object in pixels, also where it does not report it."""
        return {name: self.found[name].boxes[row] for name, row in item.rows.items() if row is not None}

    def truth_of(self, item: FoundObject) -> Tensor | None:
        """The object's true (4,) box in pixels, where it is known."""
        truth = self.photo.truth
        return None if truth is None or item.truth is None else truth.boxes[item.truth]

    def belief_of(self, item: FoundObject, model: str) -> Belief | None:
        """What a model with distributions believes about an object; None if it saw nothing there."""
        row = item.rows[model]
        if row is None:
            return None
        rivals = {name: box for name, box in self.boxes_of(item).items() if name != model}
        truth = self.truth_of(item)
        return belief_of(self.found[model], row, rivals | ({} if truth is None else {"truth": truth}))

    def why(self, item: FoundObject) -> str:
        """Why the models differ about an object, in one sentence."""
        answers = {
            name: Answer(
                self.found[name].boxes[row],
                self.found[name].candidates[row],
                self.belief_of(item, name) if name in self.believers else None,
            )
            for name, row in item.rows.items()
            if row is not None
        }
        return why_they_differ(answers, item.name)

    def ranks_by_certainty(self, model: str) -> bool:
        """Whether a model's boxes rank by less than their class scores where it is unsure of them."""
        return self.thresholds(model).rank_by == "certainty"

    def thresholds(self, model: str) -> DetectionThresholds:
        """How a model's boxes were chosen: its card's way, but where the settings say another."""
        return _thresholds(self.models[model].card, self.settings)

    def stages_used(self, model: str) -> int:
        """How many stages a model's boxes come from; 0 for regression."""
        return min(self.settings.stages, num_stages(self.models[model].card))


def compare(photo: Photo, models: Mapping[str, ModelFile], settings: Settings) -> Comparison:
    """Run the models, where nobody has yet, and read their outputs.

    Raises:
        UserError: a checkpoint cannot be loaded.
    """
    found = {
        name: _detect(scoring.scores(photo, model, settings.device), model.card, settings)
        for name, model in models.items()
    }
    return Comparison(photo, models, settings, found, find_objects(found, settings.score, photo.truth))


def num_stages(card: DetectorCard) -> int:
    """How many stages of distributions a model has; 0 for regression."""
    return card.codec.num_stages


def _detect(scored: ScoredPhoto, card: DetectorCard, settings: Settings) -> PhotoDetections:
    """Every detection down to the floor: what lies below the score threshold explains what the others see."""
    codec = card.codec
    if codec.num_stages:
        codec = codec.decoding(settings.rule, min(settings.stages, codec.num_stages))
        outputs = scored.candidates.offset_outputs / settings.temperature
        scored = replace(scored, candidates=replace(scored.candidates, offset_outputs=outputs))
    return select(scored, codec, _thresholds(card, settings))


def _thresholds(card: DetectorCard, settings: Settings) -> DetectionThresholds:
    thresholds = replace(card.thresholds, score=FLOOR, per_image=300)
    if thresholds.nms_iou < 1:
        # Where a network itself finds each object once, boxes that overlap are of two.
        thresholds = replace(thresholds, nms_iou=settings.nms_iou)
    if settings.rank_by is not None:
        thresholds = replace(thresholds, rank_by=settings.rank_by if num_stages(card) else "score")
    if settings.merge_by is not None:
        thresholds = replace(thresholds, merge_by=settings.merge_by)
    return thresholds
