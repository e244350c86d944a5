"""Several heads judged side by side on the same candidates, each read in any number of ways."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torchvision.models.detection.transform import resize_boxes

from analysis.frozen.features import FeatureBatch, FrozenFeatures
from analysis.frozen.heads import Head
from obcn.engine.evaluate import average_precision
from obcn.models.cascade import CascadeRoIHeads
from obcn.models.selection import ScoredCandidates, select_detections, split_by_image
from obcn.offsets import OffsetCodec
from obcn.records.detections import coco_rows
from obcn.studies.tables import Metrics


@torch.inference_mode()
def score_side_by_side(
    heads: Sequence[Head],
    readings: Sequence[Mapping[str, OffsetCodec]],
    features: FrozenFeatures,
    on_photo: Callable[[], None] = lambda: None,
) -> list[dict[str, Metrics]]:
    """AP of each head by each of its readings, in percent (:func:`obcn.engine.evaluate.average_precision`).

    Args:
        heads: trained on the same trunk.
        readings: per head, its codec decoding in as many ways as are asked for, by name.
        features: of the validation split.
        on_photo: called once per photo.
    """
    annotations = features.annotations
    ids = [category["id"] for category in annotations.categories]
    rows: list[dict[str, list[dict]]] = [{name: [] for name in codecs} for codecs in readings]
    for head in heads:
        head.eval()
    for number, record in enumerate(annotations.images):
        photo = features.batch([number])
        (shape,), original = photo.image_shapes, (record["height"], record["width"])
        for head, scored, codecs, found_rows in zip(heads, _scored(heads, photo), readings, rows, strict=True):
            for name, codec in codecs.items():
                found = select_detections(scored, shape, codec, head.thresholds)
                found["boxes"] = resize_boxes(found["boxes"], shape, original)
                found_rows[name] += coco_rows(record["id"], found, ids)
        on_photo()
    return [{name: average_precision(annotations, found) for name, found in each.items()} for each in rows]


def _scored(heads: Sequence[Head], photo: FeatureBatch) -> list[ScoredCandidates]:
    pooled, results = None, []
    for head in heads:
        if isinstance(head, CascadeRoIHeads) or head.later_looks:
            results += head.score(photo.pyramid, photo.proposals, photo.image_shapes)
            continue
        if pooled is None:
            pooled = head.box_roi_pool(photo.pyramid, photo.proposals, photo.image_shapes)
        scores, outputs = head.box_head(pooled)
        results += split_by_image(photo.proposals, scores.softmax(-1), outputs)
    return results
