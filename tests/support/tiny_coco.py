"""A COCO-layout folder of a few small pictures with colored rectangles."""

import json
from pathlib import Path

import cv2
import numpy as np

CLASSES = ("cup", "plate")
COLOURS = ((40, 40, 220), (220, 160, 40))


def make_tiny_coco(root: Path, images_per_split: int = 4) -> Path:
    """Write train and val splits with one rectangle of each class per picture."""
    generator = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
        images, annotations = [], []
        for index in range(images_per_split):
            pixels = generator.integers(90, 130, (64, 96, 3), dtype=np.uint8)
            name = f"{index:04d}.png"
            for label, color in enumerate(COLOURS):
                x, y = generator.integers(0, 25, 2)
                x, y = x + 48 * label, y + 5
                w, h = generator.integers(12, 22, 2)
                pixels[y : y + h, x : x + w] = color
                annotations.append(
                    dict(
                        id=len(annotations) + 1,
                        image_id=index + 1,
                        category_id=label + 1,
                        bbox=[int(x), int(y), int(w), int(h)],
                        area=int(w * h),
                        iscrowd=0,
                    )
                )
            cv2.imwrite(str(root / split / name), pixels)
            images.append(dict(id=index + 1, file_name=name, width=96, height=64))
        content = dict(
            images=images,
            annotations=annotations,
            categories=[dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)],
        )
        annotation_file(root, split).write_text(json.dumps(content))
    return root


def annotation_file(root: Path, split: str = "train2017") -> Path:
    return root / "annotations" / f"instances_{split}.json"


def edit_annotations(root: Path, change, split: str = "train2017") -> None:
    """Apply ``change(content)`` to an annotation file."""
    file = annotation_file(root, split)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
