"""COCO's compressed run-lengths of a mask.

The format of pycocotools' ``mask.encode``: lengths of runs of zeros and ones in turn,
down the columns; from the third on each as the difference to the one two before; every
number in groups of five bits, lowest first, with a sixth bit where more follow, as
printable characters from ``0`` on.
"""

import numpy as np


def encode_mask(mask: np.ndarray) -> dict[str, list[int] | str]:
    """Encode a mask.

    Args:
        mask: (H, W) bool.

    Returns:
        ``size``, height and width; ``counts``, the text.
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    # The first run is of zeros, if need be an empty one.
    runs = np.diff(edges).tolist() if flat.size else []
    if flat.size and flat[0]:
        runs = [0, *runs]
    numbers = runs[:3] + [runs[i] - runs[i - 2] for i in range(3, len(runs))]
    text = "".join(_characters(number) for number in numbers)
    return {"size": [int(side) for side in mask.shape], "counts": text}


def _characters(number: int) -> str:
    text = ""
    more = True
    while more:
        group = number & 0x1F
        number >>= 5
        # The fifth bit is the sign of what is left out.
        more = number != (-1 if group & 0x10 else 0)
        text += chr(48 + group + (0x20 if more else 0))
    return text
