"""The embedded dataset, the search for a COCO-layout folder, and annotation checks."""

from .annotation_checks import check_annotations, classes_in
from .coco_layout import point_config_at
from .digits import make_digits_dataset

__all__ = ["check_annotations", "classes_in", "make_digits_dataset", "point_config_at"]
