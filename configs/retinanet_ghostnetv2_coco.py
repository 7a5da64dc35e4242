# retinanet_ghostnet_coco.py with GhostNetV2 1.0x.
_base_ = "./retinanet_ghostnet_coco.py"

model = dict(
    backbone=dict(
        type="GhostNetV2",
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnetv2_100.in1k"),
    )
)
