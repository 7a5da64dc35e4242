# SSDLite at 320 px with GhostNet 1.0x, whose strides 16 and 32 (112 and 160 channels)
# are the first two of six maps, COCO, 120 epochs over five repeats. Recipe: mmdet's
# ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py (SGD, lr 0.015 for a batch of 192,
# cosine). The backbone starts from ImageNet weights, where the recipe starts from
# scratch, so its norms keep their own eps and momentum. PaddleDetection publishes 23.3
# AP for its SSDLite-GhostNet at 320 px (GhostNet 1.3x, another schedule).
_base_ = "mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        out_indices=(2, 3),
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=(112, 160), out_channels=(112, 160, 512, 256, 256, 128)),
    bbox_head=dict(in_channels=(112, 160, 512, 256, 256, 128)),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
