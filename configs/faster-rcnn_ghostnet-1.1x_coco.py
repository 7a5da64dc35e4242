# The backbone of the GhostNet paper's detection table (Table 8: GhostNet 1.1x with
# Faster R-CNN, 26.9 AP). ImageNet weights at this width were never published: name your
# own with --backbone-weights PATH, or train without with --backbone-weights none.
_base_ = "./faster-rcnn_ghostnet_coco.py"

model = dict(
    backbone=dict(
        widen_factor=1.1,
        init_cfg=dict(type="Pretrained", checkpoint="weights/ghostnet_110.pth"),
    ),
    neck=dict(in_channels=[28, 44, 124, 176]),
)
