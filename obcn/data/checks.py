"""What both readers ask of photos and boxes before anything is trained or judged on them."""

from dataclasses import dataclass

import numpy as np

# No photo has a longer side, and no box reaches farther, in pixels. Far beyond, float32 and the C code that computes
# IoUs fail in ways that nobody understands.
MAX_SIDE = 100_000
MAX_REACH = 1_000_000

# Thinner boxes are nothing to look for. This much is also left of a side in float32 when a photo of MAX_SIDE is
# resized for training, whatever the size: its corners, which lie below that size, stay apart.
MIN_SIDE = 0.1


@dataclass(frozen=True)
class KeptBoxes:
    """Boxes that can be objects, and one line about the others.

    Attributes:
        boxes: COCO annotation records, in order.
        notes: what was left out, as lines to show; none where nothing was.
    """

    boxes: list[dict]
    notes: tuple[str, ...]


def keep_boxes(source: object, images: list[dict], boxes: list[dict]) -> KeptBoxes:
    """Leave out boxes that no detector can find: thinner than ``MIN_SIDE``, or wholly outside their photos.

    They would be missed objects in evaluation, and no or impossible targets in training.

    Args:
        source: what to call the file or folder in a note.
        images: COCO image records. Where a size is not positive, nothing is outside.
        boxes: COCO annotation records of these images.
    """
    if not boxes:
        return KeptBoxes(boxes, ())
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    photo = np.array([sizes[box["image_id"]] for box in boxes], dtype=np.float64)
    photo[(photo <= 0).any(axis=1)] = np.inf
    corner, size = np.split(np.array([box["bbox"] for box in boxes], dtype=np.float64), 2, axis=1)
    thin = (size < MIN_SIDE).any(axis=1)
    outside = ~thin & ((corner >= photo) | (corner + size <= 0)).any(axis=1)
    notes = [
        f"{source}: {lost.sum()} of {len(boxes)} boxes {problem} and are left out, the first of them annotation "
        f"{boxes[int(lost.argmax())]['id']} {boxes[int(lost.argmax())]['bbox']}"
        for lost, problem in ((thin, "have no width or no height"), (outside, "lie outside their photos"))
        if lost.any()
    ]
    kept = [boxes[number] for number in np.flatnonzero(~(thin | outside))]
    return KeptBoxes(kept, tuple(notes))
