# retinanet_ghostnet_coco.py with RepGhostNet 1.0x, trained with its parallel branches.
_base_ = "./retinanet_ghostnet_coco.py"

model = dict(
    backbone=dict(
        type="RepGhostNet",
        init_cfg=dict(type="Pretrained", checkpoint="timm://repghostnet_100.in1k"),
    )
)
