# FCOS (center sampling, normalized box targets, center-ness on the box branch, GIoU
# loss) with GhostNet 1.0x and an FPN on strides 8, 16 and 32, COCO, 12 epochs. Recipe:
# mmdet's fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py (SGD,
# lr 0.01 for a batch of 16, steps at epochs 8 and 11, short side 800). Images are
# normalized as the backbone's ImageNet weights expect, where the recipe takes Caffe's.
_base_ = (
    "mmdet::fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py"
)
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(1, 2, 3),
        # Two images per GPU are too few for batch statistics.
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=[40, 112, 160], start_level=0),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
