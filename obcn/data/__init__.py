"""Photos and boxes: COCO JSON, VOC folders and YOLO labels, read into one annotation table."""

from obcn.data.annotations import Annotations
from obcn.data.dataset import TrainingSet, batches_of_epoch, collate
from obcn.data.ids import CocoIds
from obcn.data.images import read_photo
from obcn.data.sources import DataConfig, load_data_config, read_annotations, read_validation

__all__ = [
    "Annotations",
    "CocoIds",
    "DataConfig",
    "TrainingSet",
    "batches_of_epoch",
    "collate",
    "load_data_config",
    "read_annotations",
    "read_photo",
    "read_validation",
]
