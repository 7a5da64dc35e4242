# ATSS with GhostNet 1.0x and an FPN on strides 8, 16 and 32 (40, 112 and 160 channels),
# COCO, 12 epochs. Recipe: mmdet's atss_r50_fpn_1x_coco.py (SGD, lr 0.01 for a batch of
# 16, steps at epochs 8 and 11, short side 800); only the backbone differs, of which no
# stage is frozen.
_base_ = "mmdet::atss/atss_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
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
