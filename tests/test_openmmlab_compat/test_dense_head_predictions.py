"""SSD and CenterNet predict, whatever the memory format of their maps."""

import torch
from mmdet.models.dense_heads import centernet_head, corner_head
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from ghostnet_mm.openmmlab_compat.dense_head_predictions import (
    repair_dense_head_predictions,
)

SHAPE = (64, 96)
META = dict(
    img_shape=SHAPE, batch_input_shape=SHAPE, border=(0, 64, 0, 96), scale_factor=(1, 1)
)


def test_ssd_finds_the_box_it_was_told():
    head = MODELS.build(
        dict(
            type="SSDHead",
            in_channels=(4,),
            num_classes=3,
            anchor_generator=dict(
                type="SSDAnchorGenerator",
                scale_major=False,
                input_size=64,
                strides=[32],
                ratios=[[2]],
                min_sizes=[30],
                max_sizes=[60],
            ),
        )
    )
    scores = torch.full((1, head.num_base_priors[0] * 4, 2, 2), -8.0)
    scores[0, 1, 1, 0] = 8.0  # class 1 of the first prior, row 1, column 0
    boxes = torch.zeros(1, head.num_base_priors[0] * 4, 2, 2)
    cfg = ConfigDict(
        nms_pre=10,
        score_thr=0.5,
        nms=dict(type="nms", iou_threshold=0.5),
        max_per_img=9,
    )
    (found,) = head.predict_by_feat([scores], [boxes], batch_img_metas=[META], cfg=cfg)
    assert isinstance(found, InstanceData)
    assert found.labels.tolist() == [1]
    prior = head.prior_generator.grid_priors([(2, 2)], device="cpu")[0]
    cell = prior.reshape(2, 2, -1, 4)[1, 0, 0].clamp(min=0)
    cell[3] = cell[3].clamp(max=64)
    torch.testing.assert_close(found.bboxes[0], cell)


def test_heat_map_peaks_are_the_same_in_channels_last_memory():
    maps = torch.rand(2, 3, 7, 5)
    strided = maps.contiguous(memory_format=torch.channels_last)
    assert not strided.is_contiguous()
    for module in (centernet_head, corner_head):
        wanted = module.get_topk_from_heatmap(maps, k=4)
        got = module.get_topk_from_heatmap(strided, k=4)
        for found, other in zip(got, wanted, strict=True):
            torch.testing.assert_close(found, other)


def test_repairing_again_changes_nothing():
    before = centernet_head.get_topk_from_heatmap
    repair_dense_head_predictions()
    assert centernet_head.get_topk_from_heatmap is before
