"""The embedded dataset, the search for a COCO-layout folder, and annotation checks."""

from .checks.annotations import check_annotations, classes_in
from .digits.dataset import make_digits_dataset
from .layouts.coco import point_config_at

__all__ = ["check_annotations", "classes_in", "make_digits_dataset", "point_config_at"]
