# LR-ASPP with GhostNetV2 1.0x at output stride 16, ADE20K, 160k iterations. Recipe: the
# head of mmseg's mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024.py (whose
# schedule is, in mmseg 1.x, 160k) and the data and schedule of its ADE20K configs (4
# GPUs x 4 crops of 512 px). The head pools globally; mmseg's window of 49 cells needs
# larger maps.
_base_ = [
    "mmseg::_base_/models/lraspp_m-v3-d8.py",
    "mmseg::_base_/datasets/ade20k.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_160k.py",
]
custom_imports = dict(
    imports=["ghostnet_mm", "ghostnet_mm.segmentation"], allow_failed_imports=False
)

norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        _delete_=True,
        # Looked up across packages: the backbones are in mmdet's registry.
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
        num_classes=150,
    ),
)

data_root = "{{$ADE20K_ROOT:data/ade/ADEChallengeData2016}}"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
auto_scale_lr = dict(enable=False, base_batch_size=16)
