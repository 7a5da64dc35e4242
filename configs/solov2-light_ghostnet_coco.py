# Light SOLOv2 with GhostNet 1.0x, COCO instances without boxes, short side 352 to 512,
# 36 epochs. Recipe: mmdet's solov2-light_r50_fpn_ms-3x_coco.py; the backbone differs
# and none of its stages are frozen.
_base_ = "mmdet::solov2/solov2-light_r50_fpn_ms-3x_coco.py"
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
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
