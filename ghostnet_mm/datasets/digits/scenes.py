"""Handwritten digits pasted on photographs: what one picture of the digits set holds.

The handwriting is scikit-learn's copy of the UCI optical digits (1,797 samples of 8x8
pixels); the photographs are the ones inside the scikit-learn and scikit-image packages,
so nothing is downloaded.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SPLITS = ("train", "val")
SKIMAGE_PHOTOS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "rocket",
    "stereo_motorcycle",
)
SKLEARN_PHOTOS = ("china", "flower")

# Shares of a photo's longer side. Between the two lies a strip that nobody uses.
TRAIN_SHARE, VAL_SHARE = 0.68, 0.28
# The samples come writer by writer: two contiguous blocks keep the writers apart,
# which a shuffle would not.
TRAIN_HANDWRITING = 1347

EMPTY_IMAGES = 0.08
MAX_DIGITS = 6
# Ink height as a share of the image side: 28 to 100 px in 256.
INK_HEIGHT = (28 / 256, 100 / 256)
MIN_VISIBLE_INK = 0.8
PLACEMENT_ATTEMPTS = 15


@dataclass(frozen=True)
class PhotoRegion:
    """A part of a photograph that one split may use."""

    photo: str
    x: int  # of the part's left edge in the photograph, pixels
    y: int
    pixels: np.ndarray  # (H, W, 3) uint8 RGB


@dataclass(frozen=True)
class Handwriting:
    """The digit samples that one split may use."""

    first_index: int  # of sample 0 in scikit-learn's order
    samples: np.ndarray  # (N, 8, 8) float32, ink from 0 to 1
    labels: np.ndarray  # (N,) int, 0 to 9


@dataclass(frozen=True)
class DigitInstance:
    """One digit in a scene."""

    label: int
    sample_index: int  # in scikit-learn's order
    mask: np.ndarray  # (H, W) bool, the ink that no later digit covers


@dataclass(frozen=True)
class Scene:
    """A picture and its ground truth."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    digits: list[DigitInstance]
    photo: str
    photo_box: tuple[int, int, int, int]  # x, y, w, h in the photograph, pixels


def photo_regions(split: str) -> list[PhotoRegion]:
    """Cut from every bundled photograph the part that belongs to a split.

    Args:
        split: 'train' (the first 68% of the longer side) or 'val' (the last 28%).
    """
    regions = []
    for name, pixels in _bundled_photos():
        axis = int(np.argmax(pixels.shape[:2]))
        length = pixels.shape[axis]
        if split == "train":
            start, stop = 0, int(TRAIN_SHARE * length)
        else:
            start, stop = length - int(VAL_SHARE * length), length
        part = pixels[start:stop] if axis == 0 else pixels[:, start:stop]
        x, y = (0, start) if axis == 0 else (start, 0)
        regions.append(PhotoRegion(name, x, y, part))
    return regions


def handwriting(split: str) -> Handwriting:
    """Return the digit samples of a split: the first 1,347, or the last 450."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    first, stop = (
        (0, TRAIN_HANDWRITING)
        if split == "train"
        else (TRAIN_HANDWRITING, len(digits.target))
    )
    samples = (digits.images[first:stop] / 16).astype(np.float32)
    return Handwriting(first, samples, digits.target[first:stop])


def compose_scene(
    rng: np.random.Generator,
    size: int,
    regions: list[PhotoRegion],
    writing: Handwriting,
) -> Scene:
    """Draw a random scene: a photo crop with 0 to 6 digits written on it.

    Later digits may cover earlier ones, of which at least 80% of the ink stays visible.

    Args:
        rng: Source of every random choice.
        size: Side of the square image, pixels.
        regions: Photograph parts to crop the background from.
        writing: Digit samples to write with.
    """
    image, photo, photo_box = _random_background(rng, size, regions)
    count = 0 if rng.random() < EMPTY_IMAGES else int(rng.integers(1, MAX_DIGITS + 1))
    owner = np.full((size, size), -1, np.int32)  # which digit's ink shows at a pixel
    chosen: list[int] = []
    inks: list[int] = []
    for _ in range(count):
        sample = int(rng.integers(len(writing.samples)))
        alpha = render_ink(
            writing.samples[sample],
            height=size * rng.uniform(*INK_HEIGHT),
            rotation=rng.uniform(-15, 15),
            shear=rng.uniform(-0.15, 0.15),
            boldness=rng.uniform(-0.1, 0.2),
        )
        corner = _free_corner(rng, alpha, owner, inks)
        if corner is None:
            continue
        y, x = corner
        window = np.s_[y : y + alpha.shape[0], x : x + alpha.shape[1]]
        owner[window][alpha > 0.5] = len(chosen)
        inks.append(int((alpha > 0.5).sum()))
        chosen.append(sample)
        _write(rng, image[window], alpha)
    digits = [
        DigitInstance(
            int(writing.labels[sample]), writing.first_index + sample, owner == i
        )
        for i, sample in enumerate(chosen)
    ]
    return Scene(_camera_noise(rng, image), digits, photo, photo_box)


def render_ink(
    sample: np.ndarray, height: float, rotation: float, shear: float, boldness: float
) -> np.ndarray:
    """Enlarge an 8x8 digit into smooth ink.

    Args:
        sample: (8, 8) float32, ink from 0 to 1.
        height: Height of the 8 rows after enlarging, pixels.
        rotation: Degrees, counter-clockwise.
        shear: Sideways shift per row, in widths of a column.
        boldness: Thickens the strokes, about +-0.15.

    Returns:
        (H, W) float32 opacity from 0 to 1, cropped around the ink (opacity > 0.5) with
        a soft edge of up to 2 pixels.
    """
    scale = height / 8
    side = int(np.ceil(12 * scale * 1.4)) + 4
    angle = np.deg2rad(rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[1, shear], [0, 1]])
    padded = np.pad(sample, 2)
    # Sharpened, or the enlarged strokes would close the loops of 6, 8 and 9.
    padded = padded + 2.5 * (padded - cv2.GaussianBlur(padded, (0, 0), 1.0))
    # The center of the padded 12x12 sample goes to the center of the canvas.
    offset = (side - 1) / 2 - linear @ np.array([5.5, 5.5])
    grey = cv2.warpAffine(
        padded,
        np.column_stack([linear, offset]),
        (side, side),
        flags=cv2.INTER_CUBIC,
    )
    # About 1.5 pixels from paper to ink, whatever the size.
    softness = min(0.6, 1.8 / scale)
    alpha = np.clip((grey + boldness - 0.75) / softness + 0.5, 0, 1)
    x, y, width, height = bounding_box(alpha > 0.5)
    top, left = max(y - 2, 0), max(x - 2, 0)
    return alpha[top : y + height + 2, left : x + width + 2].astype(np.float32)


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return x, y, w, h of what is True in ``mask``, (H, W) bool, in pixels."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, width, height


def _bundled_photos() -> list[tuple[str, np.ndarray]]:
    from skimage import data
    from sklearn.datasets import load_sample_image

    photos = [(name, load_sample_image(f"{name}.jpg")) for name in SKLEARN_PHOTOS]
    for name in SKIMAGE_PHOTOS:
        loaded = getattr(data, name)()
        if isinstance(loaded, tuple):  # a stereo pair and its disparity
            loaded = loaded[0]
        if loaded.ndim == 2:
            loaded = np.repeat(loaded[..., None], 3, axis=2)
        photos.append((name, loaded))
    return photos


def _random_background(
    rng: np.random.Generator, size: int, regions: list[PhotoRegion]
) -> tuple[np.ndarray, str, tuple[int, int, int, int]]:
    region = regions[int(rng.integers(len(regions)))]
    height, width = region.pixels.shape[:2]
    side = int(min(height, width) * rng.uniform(0.5, 1.0))
    y = int(rng.integers(height - side + 1))
    x = int(rng.integers(width - side + 1))
    crop = region.pixels[y : y + side, x : x + side]
    crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    gains = rng.uniform(0.7, 1.15) * rng.uniform(0.9, 1.1, size=3)
    image = crop * gains
    image += rng.uniform(-15, 25)
    image = np.clip(image, 0, 255, out=image).astype(np.float32)
    return image, region.photo, (region.x + x, region.y + y, side, side)


def _free_corner(
    rng: np.random.Generator, alpha: np.ndarray, owner: np.ndarray, inks: list[int]
) -> tuple[int, int] | None:
    """Find a top left corner where the new ink leaves every earlier digit readable."""
    height, width = alpha.shape
    ink = alpha > 0.5
    visible = [int((owner == i).sum()) for i in range(len(inks))]
    for _ in range(PLACEMENT_ATTEMPTS):
        y = int(rng.integers(owner.shape[0] - height + 1))
        x = int(rng.integers(owner.shape[1] - width + 1))
        covered = owner[y : y + height, x : x + width][ink]
        if all(
            visible[i] - int((covered == i).sum()) >= MIN_VISIBLE_INK * total
            for i, total in enumerate(inks)
        ):
            return y, x
    return None


def _write(rng: np.random.Generator, paper: np.ndarray, alpha: np.ndarray) -> None:
    """Blend ink of a color that can be told from the paper into ``paper``, in place.

    Args:
        rng: Chooses color, contrast and opacity.
        paper: (H, W, 3) float32 RGB, 0 to 255; changed.
        alpha: (H, W) float32 opacity.
    """
    luma = np.array([0.299, 0.587, 0.114])
    under = float(paper[alpha > 0.5].mean(axis=0) @ luma)
    contrast = rng.uniform(60, 150)
    color = rng.uniform(0, 255, size=3)
    for _ in range(20):
        if abs(float(color @ luma) - under) >= contrast:
            break
        color = rng.uniform(0, 255, size=3)
    else:
        color = np.full(3, 15.0 if under > 127 else 240.0)
    opacity = (rng.uniform(0.8, 1.0) * alpha)[..., None]
    paper += opacity * (color - paper)


def _camera_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9))
    # In place: a picture's worth of numbers is most of the time spent here.
    noisy = rng.normal(0, rng.uniform(0, 5), size=image.shape)
    noisy += image
    np.rint(noisy, out=noisy)
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
