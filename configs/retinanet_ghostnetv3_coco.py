# retinanet_ghostnet_coco.py with GhostNetV3 1.0x, trained with its parallel branches.
_base_ = "./retinanet_ghostnet_coco.py"

model = dict(
    backbone=dict(
        type="GhostNetV3",
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnetv3_100.in1k"),
    )
)
