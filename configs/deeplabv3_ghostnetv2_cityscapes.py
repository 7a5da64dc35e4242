# deeplabv3_ghostnetv2_ade20k.py for Cityscapes, 80k iterations. Recipe: mmseg's
# deeplabv3_r50-d8_4xb2-80k_cityscapes-512x1024.py (4 GPUs x 2 crops of 512 x 1024 px).
_base_ = [
    "mmseg::_base_/models/deeplabv3_r50-d8.py",
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_80k.py",
]
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type="mmdet.GhostNetV2",
        widen_factor=1.0,
        out_indices=(0, 1, 2, 3),
        output_stride=16,
        norm_cfg=norm_cfg,
        init_cfg=dict(type="Pretrained", checkpoint="timm://ghostnetv2_100.in1k"),
    ),
    decode_head=dict(
        type="DepthwiseSeparableASPPHead",
        in_channels=160,
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        c1_in_channels=0,
        c1_channels=0,
    ),
    auxiliary_head=dict(in_channels=112, in_index=2, channels=64),
)

data_root = "{{$CITYSCAPES_ROOT:data/cityscapes}}"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
auto_scale_lr = dict(enable=False, base_batch_size=8)
