# lraspp_ghostnetv2_ade20k.py for Cityscapes: 4 GPUs x 4 crops of 512 x 1024 px, as
# mmseg's mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024.py.
_base_ = [
    "mmseg::_base_/models/lraspp_m-v3-d8.py",
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_160k.py",
]
custom_imports = dict(
    imports=["ghostnet_mm", "ghostnet_mm.segmentation"], allow_failed_imports=False
)

norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        _delete_=True,
        type="mmdet.GhostNetV2",
        widen_factor=1.0,
        out_indices=(0, 1, 3),
        output_stride=16,
        norm_cfg=norm_cfg,
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnetv2_100.in1k"),
    ),
    decode_head=dict(
        type="PooledLRASPPHead",
        in_channels=(24, 40, 160),
        in_index=(0, 1, 2),
        norm_cfg=norm_cfg,
    ),
)

data_root = "{{$CITYSCAPES_ROOT:data/cityscapes}}"
train_dataloader = dict(batch_size=4, num_workers=4, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
auto_scale_lr = dict(enable=False, base_batch_size=16)
