# YOLOX-nano's depthwise neck and head with GhostNet 0.85x, COCO, 300 epochs, tested at
# 416 px. Recipe: mmdet's yolox_nano_8xb8-300e_coco.py. The width is the largest step of
# 0.05 that stays below YOLOX-nano's MACs: 0.301 against 0.309 G at 320 px
# (tools/print_complexity.py --size 320 320). No ImageNet weights of this width are
# published: the backbone trains from scratch, as the recipe's does.
_base_ = "./yolox_ghostnet_coco.py"

model = dict(
    backbone=dict(widen_factor=0.85, init_cfg=None),
    neck=dict(in_channels=[36, 96, 136], out_channels=64, use_depthwise=True),
    bbox_head=dict(in_channels=64, feat_channels=64, use_depthwise=True),
)
