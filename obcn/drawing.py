"""Detections drawn onto a photo."""

import cv2
import numpy as np
from PIL import Image

from obcn.explain import PhotoDetections

# Okabe and Ito's colours, which stay apart for the colour-blind; RGB.
COLOURS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (86, 180, 233))


def draw_detections(photo: Image.Image, found: PhotoDetections) -> Image.Image:
    """A copy of the photo with boxes, class names and scores; one colour per class.

    Args:
        photo: RGB.
        found: its detections, boxes in its pixels.
    """
    canvas = np.array(photo)
    thickness = max(2, round(max(photo.size) / 300))
    scale = thickness / 4
    colour_of = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(sorted(set(found.names)))}
    # The best detection last, so that it lies on top.
    for row in reversed(range(len(found))):
        name, score = found.names[row], float(found.scores[row])
        x1, y1, x2, y2 = (round(value) for value in found.boxes[row].tolist())
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour_of[name], thickness, cv2.LINE_AA)
        label = f"{name} {score:.2f}"
        (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        top = max(y1, height + base)
        cv2.rectangle(canvas, (x1, top - height - base), (x1 + width, top), colour_of[name], cv2.FILLED)
        at = (x1, top - base // 2)
        cv2.putText(canvas, label, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return Image.fromarray(canvas)
