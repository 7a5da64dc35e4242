# retinanet_ghostnet_coco.py with G-Ghost RegNetX-3.2GF and the authors' ImageNet
# weights, which expect RGB (mmdet's own RegNet recipes take BGR): download
# g_ghost_regnet_3.2g_77.8.pth into weights/, or name your copy with --backbone-weights.
_base_ = "./retinanet_ghostnet_coco.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="GGhostRegNet",
        arch="regnetx_3.2gf",
        out_indices=(1, 2, 3),
        # Two images per GPU are too few for batch statistics.
        norm_eval=True,
        init_cfg=dict(
            type="Pretrained", checkpoint="weights/g_ghost_regnet_3.2g_77.8.pth"
        ),
    ),
    neck=dict(in_channels=[192, 432, 1008]),
)
