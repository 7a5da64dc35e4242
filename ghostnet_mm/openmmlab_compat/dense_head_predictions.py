"""Predictions of mmdet's SSD and CenterNet heads.

Without the first repair, ``SSDHead`` of mmdet 3.3 trains but cannot predict: the base
class reads ``self.loss_cls``, which that head never sets
(open-mmlab/mmdetection#11780). Without the second, ``CenterNetHead`` and ``CornerHead``
cannot predict from maps in channels-last memory, which the backbones of this package
return on a CPU: the peaks of a heat map are found through ``view``.
"""

import functools
from collections.abc import Callable

from torch import Tensor


def repair_dense_head_predictions() -> None:
    """Let SSD and heat map heads predict; calling it again changes nothing.

    Call it after mmcv's operators are provided: it imports mmdet's models.
    """
    from mmdet.models.dense_heads import SSDHead, centernet_head, corner_head

    if not hasattr(SSDHead, "loss_cls"):
        SSDHead.loss_cls = None
    for module in (centernet_head, corner_head):
        original = module.get_topk_from_heatmap
        if not hasattr(original, "__wrapped__"):
            module.get_topk_from_heatmap = _of_contiguous_maps(original)


def _of_contiguous_maps(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def of_contiguous_maps(scores: Tensor, *args: object, **kwargs: object) -> object:
        return function(scores.contiguous(), *args, **kwargs)

    return of_contiguous_maps
