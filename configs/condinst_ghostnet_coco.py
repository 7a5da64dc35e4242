# CondInst with GhostNet 1.0x, COCO instances, 90,000 iterations of 16 images. Recipe:
# mmdet's condinst_r50_fpn_ms-poly-90k_coco_instance.py; the backbone differs and none
# of its stages are frozen. The head uses no map of stride 4, so none is taken.
_base_ = "mmdet::condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py"
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
