# The GhostNetV2 paper's detection setting: YOLOv3 at 320 px with GhostNetV2 1.0x.
_base_ = "./yolov3_ghostnet_coco.py"

model = dict(
    backbone=dict(
        type="GhostNetV2",
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnetv2_100.in1k"),
    )
)
