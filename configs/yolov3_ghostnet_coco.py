# YOLOv3 with GhostNet 1.0x at 320 px, COCO, 30 epochs over ten repeats.
# Recipe: mmdet's yolov3_mobilenetv2_8xb24-320-300e_coco.py; only the backbone differs.
_base_ = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(1, 2, 3),
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=[160, 112, 40]),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
