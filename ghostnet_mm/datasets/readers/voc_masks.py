"""Pascal VOC's masks: pictures whose pixels say which object they are of.

``SegmentationObject/NAME.png`` has 1 at the first object of ``Annotations/NAME.xml``, 2
at the second, 0 behind them and 255 at borders and where it is hard to tell (VOC2012
development kit, section 3.2).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..annotations.masks import MOST_PIXELS, Mask, mask_of_pixels
from .listing import Listing

FOLDER = "SegmentationObject"
UNDECIDED = 255


def mask_files(listing: Listing) -> dict[str, str]:
    """Return the pictures of masks, by their name without folder and suffix."""
    found = {}
    for name in listing.with_suffix(".png"):
        folder, _, base = name.rpartition("/")
        if folder.rpartition("/")[2] == FOLDER:
            found[base.rpartition(".")[0]] = name
    return found


def object_masks(path: str, objects: int) -> list[Mask | None] | None:
    """Return the mask of each object of a picture.

    Args:
        path: The picture of masks, 8 bits with or without a palette.
        objects: How many there are in the XML file.

    Returns:
        ``None`` for an object of which no pixel shows, and for the whole where the
        file is damaged, in colors, or is of another number of objects.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("L", "P"):
                return None
            if picture.width * picture.height > MOST_PIXELS:
                return None
            numbers = np.asarray(picture)
    except Exception:
        # Pillow's readers raise whatever a damaged file brings them to.
        return None
    used = numbers[numbers != UNDECIDED]
    if int(used.max(initial=0)) != objects:
        return None
    return [mask_of_pixels(numbers == index + 1) for index in range(objects)]
