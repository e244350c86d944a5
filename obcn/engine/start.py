"""What a run starts from: a detector with ImageNet's trunk or a checkpoint's weights, and its optimiser."""

from torch.optim import SGD

from obcn.checkpoints import find_checkpoint, initialise_from, read_card
from obcn.config import DetectorConfig, ScheduleConfig
from obcn.engine.settings import RunSettings
from obcn.errors import UserError
from obcn.models import build_detector
from obcn.models.detector import Detector


def build_for_training(config: DetectorConfig, settings: RunSettings, resumed: bool) -> Detector:
    """The detector of a run, as it starts.

    Args:
        config: what to build.
        settings: where its weights come from, and what of them stays as it is.
        resumed: all weights are going to be replaced by those of a state: whatever it started from is not read.

    Raises:
        UserError: the trunk is to be frozen and would not be a trained one.
    """
    fresh = settings.init is None
    detector = build_detector(config, settings.classes, pretrained=fresh and not resumed)
    copied = set() if fresh or resumed else initialise_from(detector, str(settings.init))
    detector.transform.min_size = config.input.train_min_sizes
    if settings.freeze_trunk:
        frozen = {name for name in detector.state_dict() if name.startswith(("backbone.", "rpn."))}
        if frozen - copied and not resumed:
            raise UserError(
                "a frozen trunk must come whole from a trained detector: give --init a checkpoint with the same "
                "pyramid and anchors as this config"
            )
        detector.backbone.requires_grad_(False)
        detector.rpn.requires_grad_(False)
    return detector


def starting_point(settings: RunSettings) -> str:
    """In words, what a new run starts from and which layers of it start fresh."""
    if settings.init is None:
        return "starts from ImageNet's trunk; all else is fresh"
    classes = read_card(find_checkpoint(settings.init)).classes
    if set(classes) == set(settings.classes):
        return f"starts from {settings.init}; what writes offsets starts fresh"
    return (
        f"starts from {settings.init}; its classes are others ({', '.join(classes)}), so class scores start fresh too"
    )


def build_optimizer(detector: Detector, schedule: ScheduleConfig) -> SGD:
    """SGD over everything that is trained."""
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    return SGD(parameters, schedule.lr, schedule.momentum, weight_decay=schedule.weight_decay)
