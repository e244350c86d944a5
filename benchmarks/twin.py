"""torchvision's own FasterRCNN on a detector's trunk and proposals: what ours is measured against."""

from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from obcn.models.detector import Detector


def torchvision_twin(detector: Detector) -> FasterRCNN:
    """torchvision's FasterRCNN with a regression detector's weights, in evaluation mode.

    Trunk and proposal head are the detector's own modules, not copies. RoI heads, box coding, losses, sampling,
    suppression and RoIAlign are torchvision's, with as many hidden units, proposals and samples.
    """
    ours, rpn = detector.roi_heads, detector.rpn
    head = ours.box_head
    hidden, num_classes = head.shared.fc7.out_features, len(detector.classes)
    twin = FasterRCNN(
        detector.backbone,
        rpn_anchor_generator=rpn.anchor_generator,
        rpn_head=rpn.head,
        box_roi_pool=MultiScaleRoIAlign(detector.backbone.level_names, 7, sampling_ratio=2),
        box_head=head.shared,
        box_predictor=FastRCNNPredictor(hidden, num_classes + 1),
        rpn_pre_nms_top_n_train=rpn._pre_nms_top_n["training"],
        rpn_pre_nms_top_n_test=rpn._pre_nms_top_n["testing"],
        rpn_post_nms_top_n_train=rpn._post_nms_top_n["training"],
        rpn_post_nms_top_n_test=rpn._post_nms_top_n["testing"],
        box_batch_size_per_image=ours.fg_bg_sampler.batch_size_per_image,
        box_positive_fraction=ours.fg_bg_sampler.positive_fraction,
    )
    twin.roi_heads.box_predictor.cls_score.load_state_dict(head.class_scores.state_dict())
    # One box per class is how torchvision regresses: the same offsets for each.
    twin.roi_heads.box_predictor.bbox_pred.load_state_dict(
        {
            name: value.repeat(num_classes + 1, *[1] * (value.dim() - 1))
            for name, value in head.offset_outputs.state_dict().items()
        }
    )
    twin.transform.min_size, twin.transform.max_size = detector.transform.min_size, detector.transform.max_size
    twin.transform.image_mean, twin.transform.image_std = detector.transform.image_mean, detector.transform.image_std
    return twin.eval()
