# The mobile detector at the cost of PicoDet-S: GhostNet 1.0x, 104 channels, 320 px.
# Recipe: _base_/gfl_mobile.py.
_base_ = "./_base_/gfl_mobile.py"

model = dict(
    backbone=dict(
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(1, 2, 3),
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=[40, 112, 160], out_channels=104),
    bbox_head=dict(in_channels=104, feat_channels=104),
)
