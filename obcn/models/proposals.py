"""torchvision's region proposal network, where objects may be ignored, and with less to suppress."""

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from obcn.models.ignored import mostly_inside


class ProposalNetwork(RegionProposalNetwork):
    """torchvision's, but anchors that are mostly inside an ``ignored`` box of the target are no background.

    Its candidates are torchvision's, found sooner: see :meth:`filter_proposals`.
    """

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As torchvision's: per photo 1 for an object, 0 for background, -1 for neither; and the matched boxes."""
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for boxes, target, assigned in zip(anchors, targets, labels, strict=True):
            if "ignored" in target:
                assigned[(assigned == 0) & mostly_inside(boxes, target["ignored"])] = -1
        return labels, matched

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Per photo the (R, 4) candidates and their (R,) scores, best first; as torchvision's.

        Whether a box is suppressed depends on better boxes alone. So the best few are suppressed among themselves, and
        more are looked at only where too few of them are left; torchvision looks at all.

        Args:
            proposals: (B, A, 4) boxes of all anchors, level by level, in pixels.
            objectness: (B x A, 1) logits.
            image_shapes: per photo (height, width), to which boxes are clipped.
            num_anchors_per_level: their sum is A.
        """
        logits = objectness.detach().reshape(len(image_shapes), -1)
        chosen = self._get_top_n_idx(logits, num_anchors_per_level)
        level_of = torch.cat([torch.full((n,), level) for level, n in enumerate(num_anchors_per_level)]).to(chosen)
        found = []
        probabilities = logits.gather(1, chosen).sigmoid()
        for boxes, scores, rows, shape in zip(proposals, probabilities, chosen, image_shapes, strict=True):
            scores, order = scores.sort(descending=True)
            rows = rows[order]
            boxes = clip_boxes_to_image(boxes[rows], shape)
            seen = remove_small_boxes(boxes, self.min_size)
            found.append(self._best(boxes[seen], scores[seen], level_of[rows[seen]]))
        return [boxes for boxes, _ in found], [scores for _, scores in found]

    def _best(self, boxes: Tensor, scores: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """The best that no better box of its level suppresses; boxes come best first."""
        most = self.post_nms_top_n()
        tried = 5 * most // 2  # enough for nearly every photo
        while True:
            kept = batched_nms(boxes[:tried], scores[:tried], levels[:tried], self.nms_thresh)[:most]
            if len(kept) == most or tried >= len(boxes):
                return boxes[kept], scores[kept]
            tried *= 2
