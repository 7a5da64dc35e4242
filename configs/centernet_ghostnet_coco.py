# CenterNet without deformable convolutions, with GhostNet 1.0x, COCO, 28 epochs over
# five repeats. Recipe: mmdet's centernet_r18_8xb16-crop512-140e_coco.py (SGD, lr 0.02
# for a batch of 128, crops of 512 px, tested at the images' own size). The
# deconvolutions and the head have half the recipe's channels: with all of them they
# would cost several times what the backbone does.
_base_ = "mmdet::centernet/centernet_r18_8xb16-crop512-140e_coco.py"
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type="GhostNet",
        widen_factor=1.0,
        # The neck reads the deepest map only.
        out_indices=(3,),
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k"),
    ),
    neck=dict(in_channels=160, num_deconv_filters=(128, 64, 32)),
    bbox_head=dict(in_channels=32, feat_channels=32),
)

data_root = "{{$COCO_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val2017.json")
test_evaluator = val_evaluator
