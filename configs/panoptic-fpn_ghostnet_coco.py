# Panoptic FPN with GhostNet 1.0x, COCO panoptic (80 thing and 53 stuff classes), 12
# epochs. Recipe: mmdet's panoptic-fpn_r50_fpn_1x_coco.py; the backbone differs and none
# of its stages are frozen.
_base_ = "mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(0, 1, 2, 3),
        # Two images per GPU are too few for batch statistics.
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=[24, 40, 112, 160]),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=data_root + "annotations/panoptic_val2017.json",
    seg_prefix=data_root + "annotations/panoptic_val2017/",
)
test_evaluator = val_evaluator
