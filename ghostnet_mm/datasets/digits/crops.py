"""Single digits cut from the embedded dataset: something to pretrain a backbone on.

The crops are ImageNet-style folders, ``train/<class>/*.png`` and ``val/<class>/*.png``.
Each split is cut from the pictures of the same split of the digits dataset, which share
neither handwriting nor regions of photographs with the other: nothing that a detector
is validated on has been seen in pretraining.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ghostnet_runtime.atomic_writing import finished_folder

from ...errors import DataError, OptionError
from .scenes import SPLITS

RECIPE_VERSION = 2
# Written last: a folder that has it is complete.
RECORD = "digit_crops.json"

# Pixels; a larger crop is reduced to this.
LARGEST_SIDE = 96
# Side of the crop over the longer side of the digit's box: little enough that few crops
# show a second digit, which would make the label ambiguous.
CONTEXT = (1.15, 1.5)


def make_digit_crops(
    digits_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    crops_per_digit: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Cut every digit out of a digits dataset, or find that this was done already.

    A crop is a square of at most 96 pixels around the digit's box, off its center by a
    random amount that leaves the box inside, and is named after its picture and
    annotation: ``train/7/000000000012_34_0.png``. A crop does not depend on how many
    others there are. The folder appears only when it is complete.

    Args:
        digits_dir: What `make_digits_dataset` wrote.
        out_dir: The folder of the crops; absent, empty, or written by an earlier call.
        crops_per_digit: Crops of each digit, which differ in place and context.
        seed: Chooses place and context.
        progress: Called with (crops done, crops in all) as the work proceeds.

    Returns:
        The folder of the crops.

    Raises:
        OptionError: ``crops_per_digit`` or ``seed`` is too small, or ``out_dir`` cannot
            be written.
        DataError: ``digits_dir`` is no digits dataset, or ``out_dir`` holds something
            else.
    """
    for name, value, least in (
        ("crops_per_digit", crops_per_digit, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise OptionError(
                f"{name} of the digit crops must be at least {least}, not {value}."
            )
    digits_dir, out_dir = Path(digits_dir), Path(out_dir)
    contents = {split: _read_annotations(digits_dir, split) for split in SPLITS}
    parameters = dict(
        recipe_version=RECIPE_VERSION,
        crops_per_digit=crops_per_digit,
        seed=seed,
        digits=contents["train"]["info"]["parameters"],
    )
    if _is_complete(out_dir, parameters):
        return out_dir

    total = crops_per_digit * sum(
        len(content["annotations"]) for content in contents.values()
    )
    done = 0
    with finished_folder(out_dir) as partial:
        for number, split in enumerate(SPLITS):
            source = digits_dir / f"{split}2017"
            for crops in _cut_split(
                source, partial / split, contents[split], crops_per_digit, seed, number
            ):
                done += crops
                if progress is not None:
                    progress(done, total)
        (partial / RECORD).write_text(json.dumps(parameters), encoding="utf-8")
    return out_dir


def crop_window(
    rng: np.random.Generator, box: list[float], width: int, height: int
) -> tuple[int, int, int]:
    """Choose a square that holds a digit's box.

    Args:
        rng: Source of every random choice.
        box: x, y, w, h of the digit, pixels.
        width: Of the picture, pixels.
        height: Of the picture, pixels.

    Returns:
        x and y of the square's upper left corner, and its side, inside the picture.
    """
    x, y, w, h = box
    longest = max(w, h)
    side = int(min(np.ceil(longest * rng.uniform(*CONTEXT)), width, height))
    corner = []
    for start, extent, limit in ((x, w, width), (y, h, height)):
        # Anywhere between the box at the square's far edge and at its near one.
        place = rng.uniform(start + extent - side, start)
        corner.append(int(np.clip(round(place), 0, limit - side)))
    return corner[0], corner[1], side


def _cut_split(
    images: Path,
    target: Path,
    content: dict[str, Any],
    crops_per_digit: int,
    seed: int,
    split_number: int,
):
    names = {category["id"]: category["name"] for category in content["categories"]}
    for name in names.values():
        (target / name).mkdir(parents=True)
    by_image: dict[int, list[dict]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    for image in content["images"]:
        annotations = by_image.get(image["id"])
        if not annotations:
            continue
        pixels = cv2.imread(str(images / image["file_name"]))
        if pixels is None:
            raise DataError(
                f"{images / image['file_name']} cannot be read as an image; delete the "
                f"digits dataset and make it again."
            )
        for annotation in annotations:
            folder = target / names[annotation["category_id"]]
            stem = f"{Path(image['file_name']).stem}_{annotation['id']}"
            for copy in range(crops_per_digit):
                rng = np.random.default_rng(
                    [seed, split_number, annotation["id"], copy]
                )
                crop = _cut(rng, pixels, annotation["bbox"])
                _write_png(folder / f"{stem}_{copy}.png", crop)
        yield len(annotations) * crops_per_digit


def _cut(rng: np.random.Generator, pixels: np.ndarray, box: list[float]) -> np.ndarray:
    height, width = pixels.shape[:2]
    x, y, side = crop_window(rng, box, width, height)
    crop = pixels[y : y + side, x : x + side]
    if side > LARGEST_SIDE:
        crop = cv2.resize(crop, (LARGEST_SIDE,) * 2, interpolation=cv2.INTER_AREA)
    return crop


def _write_png(path: Path, pixels: np.ndarray) -> None:
    _, encoded = cv2.imencode(".png", pixels)
    # Not cv2.imwrite, which reports a full disk by returning False.
    path.write_bytes(encoded.tobytes())


def _read_annotations(folder: Path, split: str) -> dict[str, Any]:
    file = folder / "annotations" / f"instances_{split}2017.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content["info"]["parameters"]["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} is not the digits dataset ({file.name} is missing or of another "
            f"dataset); make it with ghostnet make-digits."
        ) from error
    return content


def _is_complete(folder: Path, parameters: dict[str, Any]) -> bool:
    """Tell whether the crops are there; refuse a folder that holds something else."""
    if not os.path.lexists(folder):
        return False
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; choose another one for the crops.")
    if not any(folder.iterdir()):
        return False
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds files that are not digit crops; choose another folder, or "
            f"delete this one first."
        ) from error
    if found != parameters:
        raise DataError(
            f"{folder} holds digit crops made with other settings or from another "
            f"digits dataset; choose another folder, or delete this one first."
        )
    return True
