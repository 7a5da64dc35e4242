"""The embedded dataset: handwritten digits on photographs, written in COCO's layout.

It needs no download, trains to a useful mAP within minutes on a laptop, and is a real
detection task: small and large objects, occlusion, unknown handwriting and unknown
backgrounds at validation. What a picture holds is decided in ``scenes``.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from ...errors import DataError, OptionError
from .complete_folder import complete_folder
from .scenes import (
    SPLITS,
    Scene,
    bounding_box,
    compose_scene,
    handwriting,
    photo_regions,
)

CLASSES = tuple(str(digit) for digit in range(10))
# Part of what a folder must agree on to be reused: raise it when the pictures change.
RECIPE_VERSION = 1
MIN_IMAGE_SIZE = 64
Drawn = TypeVar("Drawn")


def make_digits_dataset(
    out_dir: str | os.PathLike,
    num_train: int = 1500,
    num_val: int = 200,
    image_size: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the digits dataset, or find that it is there already.

    The layout is COCO's: ``train2017/``, ``val2017/`` (JPEG) and
    ``annotations/instances_{train,val}2017.json`` with boxes and run-length masks of
    the visible ink; category ids 1 to 10 are the digits '0' to '9'. The same arguments
    give the same annotation files, byte for byte. Image ``i`` of a split does not
    depend on how many images there are. Beyond COCO's fields, every image names its
    ``photo`` and ``photo_box`` and every annotation its ``sample_index``, which shows
    that the splits share neither photo regions nor handwriting.

    The folder appears only when it is complete.

    Args:
        out_dir: The dataset's folder; absent, empty, or written by an earlier call.
        num_train: Number of training images.
        num_val: Number of validation images.
        image_size: Side of the square images, pixels; digits are 8% to 35% of it high.
        seed: Chooses the pictures.
        progress: Called with (images done, images in all) as the work proceeds.

    Returns:
        The dataset's folder.

    Raises:
        OptionError: A count or the size is too small, or the seed is negative.
        DataError: The folder holds something else, or cannot be written.
    """
    for name, value, least in (
        ("num_train", num_train, 1),
        ("num_val", num_val, 1),
        ("image_size", image_size, MIN_IMAGE_SIZE),
        ("seed", seed, 0),
    ):
        if value < least:
            raise OptionError(
                f"{name} of the digits dataset must be at least {least}, not {value}."
            )
    out_dir = Path(out_dir)
    parameters = dict(
        recipe_version=RECIPE_VERSION,
        num_train=num_train,
        num_val=num_val,
        image_size=image_size,
        seed=seed,
    )
    if _is_complete(out_dir, parameters):
        return out_dir

    counts = dict(zip(SPLITS, (num_train, num_val), strict=True))
    with complete_folder(out_dir, "The digits dataset") as partial:
        first_image_id = 1
        for split in SPLITS:
            _write_split(
                partial, split, counts[split], first_image_id, parameters, progress
            )
            first_image_id += counts[split]
    return out_dir


def _annotation_file(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"instances_{split}2017.json"


def _is_complete(folder: Path, parameters: dict) -> bool:
    """Tell whether the dataset is there; refuse a folder that holds something else."""
    if not os.path.lexists(folder):
        return False
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; choose another one for the digits.")
    if not any(folder.iterdir()):
        return False
    advice = "choose another folder, or delete this one first"
    try:
        found = json.loads(_annotation_file(folder, "val").read_text())["info"][
            "parameters"
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} holds files that are not the digits dataset; {advice}."
        ) from error
    if found != parameters:
        differing = ", ".join(
            f"{name} {found.get(name)} instead of {value}"
            for name, value in parameters.items()
            if found.get(name) != value
        )
        raise DataError(
            f"{folder} holds a digits dataset made with {differing}; {advice}."
        )
    for split in SPLITS:
        images = folder / f"{split}2017"
        count = len(list(images.iterdir())) if images.is_dir() else 0
        wanted = parameters[f"num_{split}"]
        if count != wanted or not _annotation_file(folder, split).is_file():
            raise DataError(
                f"{folder} has lost files of the digits dataset ({count} of {wanted} "
                f"images in {images.name}); delete the folder to have it made again."
            )
    return True


def _write_split(
    folder: Path,
    split: str,
    count: int,
    first_image_id: int,
    parameters: dict,
    progress: Callable[[int, int], None] | None,
) -> None:
    image_dir = folder / f"{split}2017"
    image_dir.mkdir()
    regions, writing = photo_regions(split), handwriting(split)

    def draw(index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        rng = np.random.default_rng([parameters["seed"], SPLITS.index(split), index])
        scene = compose_scene(rng, parameters["image_size"], regions, writing)
        image_id = first_image_id + index
        file_name = f"{image_id:012d}.jpg"
        _write_jpeg(image_dir / file_name, scene.image)
        image = dict(
            id=image_id,
            file_name=file_name,
            width=scene.image.shape[1],
            height=scene.image.shape[0],
            photo=scene.photo,
            photo_box=list(scene.photo_box),
        )
        return image, _annotations_of(scene, image_id)

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, found in _on_all_cores(draw, count):
        images.append(image)
        # Ids start at 1: pycocotools takes annotation id 0 for "no match".
        annotations += [
            dict(id=number, **annotation)
            for number, annotation in enumerate(found, len(annotations) + 1)
        ]
        if progress is not None:
            progress(image["id"], parameters["num_train"] + parameters["num_val"])
    content = dict(
        info=dict(
            description="Handwritten digits on photographs (ghostnet_mm)",
            version=str(RECIPE_VERSION),
            parameters=parameters,
        ),
        licenses=[],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=label + 1, name=name, supercategory="digit")
            for label, name in enumerate(CLASSES)
        ],
    )
    annotation_file = _annotation_file(folder, split)
    annotation_file.parent.mkdir(exist_ok=True)
    annotation_file.write_text(json.dumps(content), encoding="utf-8")


def _on_all_cores(draw: Callable[[int], Drawn], count: int) -> Iterator[Drawn]:
    """Yield ``draw(0)``, ``draw(1)``, ... in this order, drawn by a thread per core.

    NumPy and OpenCV let other threads run while they compute.
    """
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # those of OpenCV would wait for each other
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(draw, range(count))
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads_before)


def _annotations_of(scene: Scene, image_id: int) -> list[dict[str, Any]]:
    annotations = []
    for digit in scene.digits:
        encoded = coco_mask.encode(np.asfortranarray(digit.mask, dtype=np.uint8))
        annotations.append(
            dict(
                image_id=image_id,
                category_id=digit.label + 1,
                bbox=list(bounding_box(digit.mask)),
                area=int(np.count_nonzero(digit.mask)),
                iscrowd=0,
                segmentation=dict(
                    size=[int(side) for side in encoded["size"]],
                    counts=encoded["counts"].decode("ascii"),
                ),
                sample_index=digit.sample_index,
            )
        )
    return annotations


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])
    # Not cv2.imwrite, which reports a full disk by returning False.
    path.write_bytes(encoded.tobytes())
