"""RTMDet's head with boxes of a size from the first step on."""

import pytest
import torch
from mmdet.models.dense_heads import RTMDetSepBNHead

from ghostnet_mm.dense_heads import MobileRTMDetHead
from ghostnet_mm.errors import OptionError

ARGUMENTS = dict(
    num_classes=3,
    in_channels=8,
    feat_channels=8,
    stacked_convs=1,
    with_objectness=False,
    anchor_generator=dict(type="mmdet.MlvlPointGenerator", offset=0, strides=[8, 16]),
    bbox_coder=dict(type="mmdet.DistancePointBBoxCoder"),
    loss_cls=dict(type="mmdet.QualityFocalLoss", use_sigmoid=True),
    loss_bbox=dict(type="mmdet.GIoULoss"),
)
MAPS = (torch.randn(1, 8, 6, 5), torch.randn(1, 8, 3, 3))


def test_sizes_of_the_first_boxes():
    for exp_on_reg in (True, False):
        head = MobileRTMDetHead(
            **ARGUMENTS, initial_distance=3.0, exp_on_reg=exp_on_reg
        )
        head.init_weights()
        for distances, stride in zip(head.eval()(MAPS)[1], (8, 16), strict=True):
            # The layer's weights have a standard deviation of 0.01.
            torch.testing.assert_close(
                distances, torch.full_like(distances, 3.0 * stride), rtol=0.2, atol=0
            )


def test_all_else_is_mmdets():
    ours = MobileRTMDetHead(**ARGUMENTS)
    theirs = RTMDetSepBNHead(**ARGUMENTS, exp_on_reg=True)
    for head in (ours, theirs):
        torch.manual_seed(0)
        head.init_weights()
    for name, value in theirs.state_dict().items():
        if not (name.startswith("rtm_reg.") and name.endswith("bias")):
            torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
    theirs.load_state_dict(ours.state_dict())
    for mine, other in zip(ours.eval()(MAPS), theirs.eval()(MAPS), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("distance", [0, -1.0])
def test_a_box_without_size_is_refused(distance):
    with pytest.raises(OptionError, match="initial_distance"):
        MobileRTMDetHead(**ARGUMENTS, initial_distance=distance)
