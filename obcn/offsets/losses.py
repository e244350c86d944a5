"""Losses on the normalised offset error and their gradients (Eqs. 2-4, 7 and 8).

Each loss comes with its gradient in closed form, because the paper argues from the gradients; the tests
hold them against autograd.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from obcn.offsets.bins import as_full_precision
from obcn.offsets.boxes import decode_boxes


def l2_loss(error: Tensor) -> Tensor:
    """Elementwise x^2 / 2 of the error x = t - t* (Eq. 2), any shape; half precision is widened to float32."""
    return 0.5 * as_full_precision(error).square()


def l2_gradient(error: Tensor) -> Tensor:
    """d(l2_loss)/dx = x: unbounded, which is what the paper holds against it."""
    return error.clone()


def smooth_l1_loss(error: Tensor, beta: float = 1.0) -> Tensor:
    """Elementwise Smooth L1 of the error x (Eq. 3): x^2 / (2 beta) up to beta, then |x| - beta / 2.

    Half precision is widened to float32.
    """
    error = as_full_precision(error)
    return F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=beta)


def smooth_l1_gradient(error: Tensor, beta: float = 1.0) -> Tensor:
    """d(smooth_l1_loss)/dx (Eq. 4): x / beta, clipped to [-1, 1]."""
    return (error / beta).clamp(-1, 1)


def bin_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Elementwise cross entropy -log p_label (Eq. 7 before its sum over coordinates).

    Args:
        scores: (..., n) scores over the bins; half precision is widened to float32.
        labels: (...) int64 bin labels.

    Returns:
        (...) losses.
    """
    scores = as_full_precision(scores)
    flat = F.cross_entropy(scores.reshape(-1, scores.shape[-1]), labels.reshape(-1), reduction="none")
    return flat.reshape(labels.shape)


def bin_cross_entropy_gradient(scores: Tensor, labels: Tensor) -> Tensor:
    """d(bin_cross_entropy)/d(scores) = p - y, shape (..., n), each entry in (-1, 1).

    Eq. 8 of the paper prints this with the opposite sign.
    """
    scores = as_full_precision(scores)
    return scores.softmax(-1) - F.one_hot(labels, scores.shape[-1]).to(scores)


def giou_loss(offsets: Tensor, targets: Tensor) -> Tensor:
    """1 - GIoU of the boxes that two sets of offsets give (Rezatofighi et al., CVPR 2019), per row.

    IoU does not change when an axis is stretched, so the boxes are compared in the frame of a unit
    candidate, and no pixels are needed.

    Args:
        offsets: (N, 4) predicted normalised offsets.
        targets: (N, 4) target normalised offsets.

    Returns:
        (N,) losses in [0, 2].
    """
    unit = offsets.new_tensor([[-0.5, -0.5, 0.5, 0.5]]).expand(offsets.shape[0], 4)
    return generalized_box_iou_loss(decode_boxes(offsets, unit), decode_boxes(targets, unit))
