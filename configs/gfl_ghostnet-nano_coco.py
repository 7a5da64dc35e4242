# The smallest mobile detector: RepGhostNet 0.58x, 96 channels, 320 px.
# Recipe: _base_/gfl_mobile.py. RepGhostNet because no ImageNet weights of a GhostNet
# below 1.0x were published; 0.58x leaves most of the budget to neck and head.
_base_ = "./_base_/gfl_mobile.py"

model = dict(
    backbone=dict(
        type="RepGhostNet",
        widen_factor=0.58,
        out_indices=(1, 2, 3),
        init_cfg=dict(type="Pretrained", checkpoint="timm://repghostnet_058.in1k"),
    ),
    neck=dict(in_channels=[24, 64, 92], out_channels=96),
    bbox_head=dict(in_channels=96, feat_channels=96),
)
