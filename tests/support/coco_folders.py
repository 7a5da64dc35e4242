"""Small COCO folders, written in every layout that users have."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config

CLASSES = ("cat", "dog", "bird")


def coco_content(
    file_names: list[str], classes: tuple[str, ...] = CLASSES, first_id: int = 1
) -> dict:
    """One valid box of every class in every image; ids start at ``first_id``."""
    images = [
        dict(id=i, file_name=name, width=64, height=48)
        for i, name in enumerate(file_names, start=1)
    ]
    categories = [
        dict(id=first_id + i, name=name, supercategory="thing")
        for i, name in enumerate(classes)
    ]
    annotations = [
        dict(
            id=len(classes) * (image["id"] - 1) + i + 1,
            image_id=image["id"],
            category_id=category["id"],
            bbox=[4 + 10 * i, 5, 12, 20],
            area=240,
            iscrowd=0,
        )
        for image in images
        for i, category in enumerate(categories)
    ]
    return dict(images=images, annotations=annotations, categories=categories)


def write_split(
    root: Path, ann_file: str, image_dir: str, content: dict | None = None
) -> dict:
    """Write an annotation file and black images for it below ``root``."""
    if content is None:
        prefix = ann_file.replace("/", "_").removesuffix(".json")
        content = coco_content([f"{prefix}_{i}.jpg" for i in range(2)])
    path = root / ann_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    for image in content["images"]:
        file = root / image_dir / image["file_name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.zeros((48, 64, 3), np.uint8))
    return content


def build_datasets(cfg):
    """Let mmdet itself read what the config points to."""
    built = []
    for split in ("train", "val", "test"):
        dataset = Config(dict(cfg[f"{split}_dataloader"].dataset))
        dataset.pipeline = []
        built.append(DATASETS.build(dataset._cfg_dict))
    return built
