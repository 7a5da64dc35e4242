"""A user's data: read from any format, repaired, split, checked; and the digits."""

from .digits.dataset import make_digits_dataset
from .layouts.coco import point_config_at

__all__ = ["make_digits_dataset", "point_config_at"]
