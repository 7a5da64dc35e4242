# DeepLabV3 in a light form with GhostNetV2 1.0x at output stride 16, ADE20K, 160k
# iterations. Recipe: mmseg's deeplabv3_r50-d8_4xb4-160k_ade20k-512x512.py (4 GPUs x 4
# crops of 512 px, SGD, lr 0.01, poly). The head has 256 channels instead of 512 and
# separable atrous convolutions, and the dilations of DeepLabV3's paper for stride 16:
# the plain head is several times the backbone.
_base_ = [
    "mmseg::_base_/models/deeplabv3_r50-d8.py",
    "mmseg::_base_/datasets/ade20k.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_160k.py",
]
custom_imports = dict(imports=["ghostnet_mm"], allow_failed_imports=False)

num_classes = 150
# On a CPU in one process it is plain BN.
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        # Looked up across packages: the backbones are in mmdet's registry.
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
        # No decoder: that would be DeepLabV3+.
        c1_in_channels=0,
        c1_channels=0,
        num_classes=num_classes,
    ),
    auxiliary_head=dict(
        in_channels=112, in_index=2, channels=64, num_classes=num_classes
    ),
)

data_root = "{{$ADE20K_ROOT:data/ade/ADEChallengeData2016}}"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
auto_scale_lr = dict(enable=False, base_batch_size=16)
