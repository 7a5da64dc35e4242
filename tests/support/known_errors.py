"""Detections whose errors are known, of two classes in two pictures."""

import numpy as np
from pycocotools import mask as coco_mask

from ghostnet_mm.evaluation.coco_engines import Found, Judged, Rule, hotcoco_truth

CUP, PLATE = 4, 9
SIDE = 20


def box(left, top=0, side=SIDE):
    return [float(left), float(top), float(side), float(side)]


def truth_of(objects):
    return dict(
        images=[
            dict(id=i, file_name=f"{i}.png", width=400, height=100) for i in (1, 2)
        ],
        categories=[dict(id=CUP, name="cup"), dict(id=PLATE, name="plate")],
        annotations=[
            dict(
                id=number,
                image_id=image,
                category_id=category,
                bbox=place,
                area=place[2] * place[3],
                iscrowd=0,
                segmentation=mask_of(place, text=True),
            )
            for number, (image, category, place) in enumerate(objects, 1)
        ],
    )


def mask_of(place, text=False):
    left, top, width, height = (int(value) for value in place)
    pixels = np.zeros((100, 400), np.uint8, order="F")
    pixels[top : top + height, left : left + width] = 1
    mask = coco_mask.encode(pixels)
    return dict(mask, counts=mask["counts"].decode()) if text else mask


def judged(objects, found, limits=(100, 300, 1000), with_masks=False):
    columns = [np.asarray(column) for column in zip(*found, strict=True)]
    images, categories, boxes, scores = columns
    masks = [mask_of(place) for place in boxes] if with_masks else None
    return Judged(
        hotcoco_truth(truth_of(objects)),
        Found(images, categories, boxes, scores, masks),
        Rule([1, 2], [CUP, PLATE], np.linspace(0.5, 0.95, 10).tolist(), list(limits)),
        ["cup", "plate"],
    )


OBJECTS = [
    (1, CUP, box(0)),
    (1, CUP, box(50)),
    (1, CUP, box(100)),
    (1, CUP, box(150)),
    (2, PLATE, box(0)),
    (2, PLATE, box(50)),
]
FOUND = [
    (1, CUP, box(0), 0.95),  # right
    (1, CUP, box(1), 0.5),  # the same again: Dupe
    (1, PLATE, box(50), 0.9),  # Cls: a cup taken for a plate
    (1, CUP, box(110), 0.8),  # Loc: an overlap of 1/3
    (1, PLATE, box(160), 0.7),  # Both
    (2, CUP, box(300), 0.6),  # Bkg
    (2, PLATE, box(0), 0.2),  # right, not sure
    # The plate at 50 in picture 2 is not found, and the cup at 150 only by what is
    # Both, which mending Cls or Loc would not give: two of Miss.
]
