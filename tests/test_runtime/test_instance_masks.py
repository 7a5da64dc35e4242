"""Masks against mmdet's RTMDet-Ins head itself."""

import numpy as np
import pytest
import torch
from ghostnet_runtime.instance_masks import predict_masks
from ghostnet_runtime.preprocessing import Placement
from ghostnet_runtime.run_lengths import encode_mask
from ghostnet_runtime.selection import select
from mmdet.models.dense_heads import RTMDetInsSepBNHead
from mmengine.config import ConfigDict
from pycocotools import mask as coco_mask

STRIDES = [8, 16, 32]


def head_and_maps():
    torch.manual_seed(5)
    head = RTMDetInsSepBNHead(
        num_classes=3,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        num_prototypes=6,
        dyconv_channels=5,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=STRIDES),
        bbox_coder=dict(type="DistancePointBBoxCoder"),
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
    )
    sizes = [(8, 12), (4, 6), (2, 3)]
    scores = [torch.randn(1, 3, *size) - 1 for size in sizes]
    distances = [torch.rand(1, 4, *size) * 30 for size in sizes]
    kernels = [torch.randn(1, head.num_gen_params, *size) for size in sizes]
    features = torch.randn(1, 6, 8, 12)
    return head, scores, distances, kernels, features


@pytest.mark.parametrize(
    "placement",
    [
        Placement((131, 190), (64, 93), (0, 0), (64, 96), (64, 96), (64, 96)),
        Placement((33, 47), (64, 91), (0, 0), (64, 96), (64, 96), (64, 91)),
    ],
)
def test_boxes_and_masks_are_mmdets(description, placement):
    head, scores, distances, kernels, features = head_and_maps()
    cfg = ConfigDict(
        nms_pre=60, min_bbox_size=0, score_thr=0.3, max_per_img=25,
        nms=dict(type="nms", iou_threshold=0.6), mask_thr_binary=0.5,
    )  # fmt: skip
    meta = {
        "img_shape": placement.clip,
        "ori_shape": placement.picture,
        "scale_factor": placement.scale,
    }
    (theirs,) = head.predict_by_feat(
        scores, distances, kernels, features, batch_img_metas=[meta], cfg=cfg,
        rescale=True,
    )  # fmt: skip

    def flat(maps):
        return torch.cat([m[0].permute(1, 2, 0).reshape(-1, m.shape[1]) for m in maps])

    priors = torch.cat(
        head.prior_generator.grid_priors([m.shape[-2:] for m in scores], device="cpu")
    )
    full = description(
        task="instance_segmentation",
        outputs={"names": ["boxes", "scores", "kernels", "mask_features"]},
        selection={
            "strides": STRIDES,
            "priors_per_cell": [1, 1, 1],
            "per_level": True,
            "nms_pre": 60,
            "score_threshold": 0.3,
            "max_per_img": 25,
            "iou_threshold": 0.6,
        },
        masks={
            "strides": STRIDES,
            "prior_offset": 0.0,
            "coordinate_scale": 8.0,
            "feature_stride": 8,
            "num_prototypes": 6,
            "dynamic_channels": 5,
            "num_layers": 3,
            "threshold": 0.5,
        },
    )
    mine = select(
        head.bbox_coder.decode(priors, flat(distances)).numpy(),
        flat(scores).sigmoid().numpy(),
        None,
        full.selection,
        placement,
    )
    assert len(mine.scores) == 25
    np.testing.assert_array_equal(mine.boxes, theirs.bboxes.numpy())
    np.testing.assert_array_equal(mine.labels, theirs.labels.numpy())
    masks = predict_masks(
        flat(kernels).numpy(),
        features[0].numpy(),
        mine.priors,
        full.masks,
        placement,
        keep_ratio=True,
    )
    expected = theirs.masks.numpy()
    # Where mmdet's mask ends before the picture does, nothing is the object.
    height, width = expected.shape[1:]
    assert not masks[:, height:].any()
    assert not masks[:, :, width:].any()
    assert 0.2 < expected.mean() < 0.8
    # OpenCV's interpolation rounds otherwise, and a pixel in a million sits on 0.5.
    assert (masks[:, :height, :width] != expected).mean() < 1e-5


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (40, 300)])
def test_run_lengths_are_pycocotools(shape):
    rng = np.random.default_rng(6)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    masks = [
        np.zeros(shape, bool),
        np.ones(shape, bool),
        rng.random(shape) < 0.5,
        rng.random(shape) < 0.002,
        (rows - 20) ** 2 + (columns - 120) ** 2 < 300,
    ]
    for mask in masks:
        encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        expected = {**encoded, "counts": encoded["counts"].decode()}
        assert encode_mask(mask) == expected
