"""A slow float64 reading of the paper's equations, one number at a time. Shares no code with obcn.

Labels are spatial: 0 is the left tail, 1..m the uniform bins from left to right, m + 1 the right tail.
"""

import math
from fractions import Fraction
from functools import cache

STANDARD_DEVIATIONS = (0.1, 0.1, 0.2, 0.2)


def encode_box(box, candidate):
    """Eq. 1, normalised: boxes are (x1, y1, x2, y2) in pixels."""
    x, y, w, h = _centre_and_size(box)
    x_a, y_a, w_a, h_a = _centre_and_size(candidate)
    raw = ((x - x_a) / w_a, (y - y_a) / h_a, math.log(w / w_a), math.log(h / h_a))
    return [value / deviation for value, deviation in zip(raw, STANDARD_DEVIATIONS, strict=True)]


def decode_box(offsets, candidate):
    """Eq. 1 solved for the box."""
    x_a, y_a, w_a, h_a = _centre_and_size(candidate)
    t_x, t_y, t_w, t_h = (value * deviation for value, deviation in zip(offsets, STANDARD_DEVIATIONS, strict=True))
    x, y, w, h = x_a + t_x * w_a, y_a + t_y * h_a, w_a * math.exp(t_w), h_a * math.exp(t_h)
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def _centre_and_size(box):
    x1, y1, x2, y2 = map(float, box)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def giou(box, other):
    """Generalised IoU of two boxes in pixels: IoU less the part of the hull that neither covers."""
    overlap = _length(box, other, 0) * _length(box, other, 1)
    union = _area(box) + _area(other) - overlap
    hull = (max(box[2], other[2]) - min(box[0], other[0])) * (max(box[3], other[3]) - min(box[1], other[1]))
    return overlap / union - (hull - union) / hull


def _length(box, other, axis):
    return max(0.0, min(box[axis + 2], other[axis + 2]) - max(box[axis], other[axis]))


def _area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def representatives(half_range, num_bins):
    """Eq. 5 in spatial order, with its labels mended."""
    width = 2 * half_range / num_bins
    return [-half_range, *(-half_range + (label + 0.5) * width for label in range(num_bins)), half_range]


@cache
def exact_edges(half_range, num_bins):
    """The m + 1 finite bin edges as exact fractions of the float ``half_range``."""
    return tuple(Fraction(half_range) * (2 * k - num_bins) / num_bins for k in range(num_bins + 1))


def label(offset, half_range, num_bins):
    """The bin that holds an offset, by exact arithmetic: an inner edge to its right, +-a and beyond to the tails."""
    if offset <= -half_range:
        return 0
    if offset >= half_range:
        return num_bins + 1
    exact = Fraction(offset)
    return sum(exact >= edge for edge in exact_edges(half_range, num_bins))


def distance_to_edge(offset, half_range, num_bins):
    """How far an offset is from changing its label."""
    return min(abs(offset - float(edge)) for edge in exact_edges(half_range, num_bins))


def softmax(scores):
    """Eq. 6."""
    largest = max(scores)
    exponentials = [math.exp(score - largest) for score in scores]
    total = math.fsum(exponentials)
    return [value / total for value in exponentials]


def predict(scores, half_range, num_bins, rule):
    """One coordinate's offset in one stage: the most probable representative, or Eq. 10."""
    values = representatives(half_range, num_bins)
    if rule == "argmax":
        return values[scores.index(max(scores))]
    return math.fsum(p * value for p, value in zip(softmax(scores), values, strict=True))


def spread(scores, half_range, num_bins):
    """Standard deviation of the representatives: root of E[t^2] - E[t]^2, each sum exactly rounded."""
    values, probabilities = representatives(half_range, num_bins), softmax(scores)
    mean = math.fsum(p * value for p, value in zip(probabilities, values, strict=True))
    return math.sqrt(math.fsum(p * (value - mean) ** 2 for p, value in zip(probabilities, values, strict=True)))


def half_ranges(first, num_bins, num_stages):
    """a_1..a_K: each stage covers one bin of the stage before."""
    ranges = [first]
    while len(ranges) < num_stages:
        width = 2 * ranges[-1] / num_bins
        ranges.append(width / 2)
    return ranges


def residuals(scores, target, ranges, num_bins, rule, residual_from):
    """What each stage has to predict of one coordinate: ``scores`` is a list of K lists of n."""
    found = []
    for stage_scores, half_range in zip(scores, ranges, strict=True):
        found.append(target)
        if residual_from == "true_bin":
            target -= representatives(half_range, num_bins)[label(target, half_range, num_bins)]
        elif residual_from == "predicted_bin":
            target -= predict(stage_scores, half_range, num_bins, "argmax")
        else:
            target -= predict(stage_scores, half_range, num_bins, rule)
    return found


def bin_loss(scores, target, ranges, num_bins, rule, residual_from):
    """Eq. 7 for one coordinate, summed over its stages."""
    wanted = residuals(scores, target, ranges, num_bins, rule, residual_from)
    return math.fsum(
        -math.log(softmax(stage_scores)[label(residual, half_range, num_bins)])
        for stage_scores, residual, half_range in zip(scores, wanted, ranges, strict=True)
    )


def bin_gradient(scores, target, ranges, num_bins, rule, residual_from):
    """Eq. 8 with its sign mended, for one coordinate: per stage, p - y."""
    wanted = residuals(scores, target, ranges, num_bins, rule, residual_from)
    gradients = []
    for stage_scores, residual, half_range in zip(scores, wanted, ranges, strict=True):
        gradient = softmax(stage_scores)
        gradient[label(residual, half_range, num_bins)] -= 1
        gradients.append(gradient)
    return gradients


def l2(x):
    """Eq. 2's squared error, halved so that its gradient is x."""
    return x * x / 2


def smooth_l1(x, beta):
    """Eq. 3."""
    return x * x / (2 * beta) if abs(x) <= beta else abs(x) - beta / 2


def smooth_l1_gradient(x, beta):
    """Eq. 4."""
    return x / beta if abs(x) <= beta else math.copysign(1, x)


def dfine_points(n, a, c):
    """D-FINE's W(0)..W(n) piece by piece, as the paper prints it."""
    points = []
    for k in range(n + 1):
        if k in (0, n):
            points.append(-2 * a if k == 0 else 2 * a)
        elif k < n / 2:
            points.append(c - c * (a / c + 1) ** ((n - 2 * k) / (n - 2)))
        else:
            points.append(-c + c * (a / c + 1) ** ((-n + 2 * k) / (n - 2)))
    return points


def two_hot(target, points):
    """DFL's label: the two points around the target share 1 by their distance, the outermost keep what is beyond."""
    label = [0.0] * len(points)
    if target <= points[0] or target >= points[-1]:
        label[0 if target <= points[0] else -1] = 1.0
        return label
    left = max(k for k, point in enumerate(points) if point <= target)
    gap = points[left + 1] - points[left]
    label[left], label[left + 1] = (points[left + 1] - target) / gap, (target - points[left]) / gap
    return label


def distance_labels(target, half_range, num_bins, sigma):
    """Soft labels of distance-aware bins: a Gaussian around the target over its value at the true bin, at most 1."""
    values, width = representatives(half_range, num_bins), sigma * 2 * half_range / num_bins
    clipped = min(max(target, -half_range), half_range)
    heights = [math.exp(-((value - clipped) ** 2) / (2 * width**2)) for value in values]
    return [min(1.0, height / heights[label(target, half_range, num_bins)]) for height in heights]
