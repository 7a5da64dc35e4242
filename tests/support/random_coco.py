"""Random annotations and predictions, as awkward as COCO's rules allow."""

import numpy as np
import torch
from pycocotools import mask as coco_mask

SIDE = 120


def random_annotations(
    generator, num_pictures, num_classes, most_objects, with_masks=False
):
    """Return the content of a COCO file; ids of classes descend, some are crowds."""
    images = [
        dict(id=7 * index + 3, file_name=f"{index}.png", width=SIDE, height=SIDE)
        for index in range(num_pictures)
    ]
    categories = [
        dict(id=2 * (num_classes - index), name=f"class {index}")
        for index in range(num_classes)
    ]
    annotations = []
    for image in images:
        for _ in range(generator.integers(0, most_objects + 1)):
            box = random_boxes(generator, 1)[0]
            annotation = dict(
                id=len(annotations) + 1,
                image_id=image["id"],
                category_id=int(generator.choice([c["id"] for c in categories])),
                bbox=[float(value) for value in box],
                area=float(box[2] * box[3] * generator.uniform(0.3, 1)),
                iscrowd=int(generator.random() < 0.15),
                ignore=int(generator.random() < 0.15),
            )
            if with_masks:
                mask = mask_of(box)
                mask["counts"] = mask["counts"].decode()
                annotation["segmentation"] = mask
            annotations.append(annotation)
    return dict(images=images, categories=categories, annotations=annotations)


def random_predictions(
    generator, truth, most_found, levels=10, with_masks=False, mask_scores=False
):
    """Return mmdet's predictions of the pictures; few levels of score make ties."""
    samples = []
    for image in truth["images"]:
        count = int(generator.integers(0, most_found + 1))
        boxes = random_boxes(generator, count).astype(np.float32)
        # Some are right, or nearly.
        true = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
        for box in boxes:
            if true and generator.random() < 0.5:
                picked = true[generator.integers(len(true))]["bbox"]
                box[:] = np.asarray(picked) + generator.integers(0, 2, 4)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        found = dict(
            bboxes=torch.tensor(corners),
            scores=torch.tensor(
                generator.integers(0, levels + 1, count) / levels, dtype=torch.float32
            ),
            labels=torch.tensor(
                generator.integers(0, len(truth["categories"]), count),
                dtype=torch.int64,
            ),
        )
        if with_masks:
            found["masks"] = [mask_of(box) for box in boxes]
        if mask_scores:
            found["mask_scores"] = found["scores"].flip(0)
        samples.append(
            dict(
                img_id=image["id"],
                ori_shape=(image["height"], image["width"]),
                pred_instances=found,
            )
        )
    return samples


def random_boxes(generator, count):
    """Return (N, 4) whole numbers: left, top, width and height, inside the picture."""
    corners = generator.integers(0, SIDE - 20, (count, 2))
    sizes = np.minimum(generator.integers(1, 100, (count, 2)), SIDE - corners)
    return np.concatenate([corners, sizes], axis=1)


def mask_of(box):
    """Return the run-length encoding of a box with a corner missing."""
    left, top, width, height = np.asarray(box, dtype=int)
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[top : top + height, left : left + width] = 1
    mask[top : top + height // 3, left : left + width // 3] = 0
    return coco_mask.encode(mask)
