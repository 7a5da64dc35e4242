"""The neck's in_channels against what the built backbone really returns."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.model import detection_channels
from ghostnet_mm.configuration.model.backbone_channels import backbone_channels
from ghostnet_mm.configuration.model.building import build_on_meta
from ghostnet_mm.errors import OptionError

TINY = Path(__file__).parents[1] / "support" / "tiny_detector.py"


def match_channels(model, file_model):
    backbone = build_on_meta(model["backbone"], "model.backbone")
    detection_channels.match_channels(model, file_model, backbone)


def returned(backbone):
    """The channels of a real forward, without the meta device."""
    module = MODELS.build(dict(backbone))
    module.eval()
    with torch.no_grad():
        return [features.shape[1] for features in module(torch.zeros(1, 3, 64, 64))]


def load(tiny, **assignments):
    keys = {key.replace("__", "."): value for key, value in assignments.items()}
    return load_config(tiny, Options(cfg_options=keys)).model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"widen_factor": 1.0},
        {"widen_factor": 1.3},
        {"type": "GhostNetV2"},
        {"type": "GhostNetV3", "widen_factor": 1.0},
        {"type": "RepGhostNet"},
        {"type": "GGhostRegNet"},
        {"type": "GhostResNet"},
        {"frozen_stages": 2},
    ],
)
def test_the_neck_follows_the_backbone(tiny, options):
    keys = {f"model.backbone.{key}": value for key, value in options.items()}
    model = load_config(tiny, Options(cfg_options=keys)).model
    assert model.neck.in_channels == returned(model.backbone)


def test_other_levels_need_other_strides(tiny):
    with pytest.raises(OptionError, match=r"\[8, 16.*\[4, 8, 16, 32, 64\]"):
        load(tiny, model__backbone__out_indices=(0, 1, 2))
    model = load(
        tiny,
        model__backbone__out_indices=(0, 1, 2),
        model__bbox_head__anchor_generator__strides=[4, 8, 16, 32, 64],
    )
    assert model.neck.in_channels == [12, 20, 56]


def test_another_number_of_levels(tiny):
    model = load(
        tiny,
        model__backbone__out_indices=(2, 3),
        model__neck__num_outs=4,
        model__bbox_head__anchor_generator__strides=[16, 32, 64, 128],
    )
    assert model.neck.in_channels == [56, 80]


def test_channels_left_to_the_backbone(tiny):
    model = load(tiny, model__neck__in_channels=None)
    assert list(model.neck.in_channels) == [20, 56, 80]


@pytest.mark.parametrize("given", [[56, 80], [20, 56, 81], [80, 56, 20], 80])
def test_channels_stated_on_purpose(tiny, given):
    with pytest.raises(OptionError, match="in_channels"):
        load(tiny, model__neck__in_channels=given)


def test_an_error_names_both_lists(tiny):
    with pytest.raises(OptionError) as caught:
        load(
            tiny,
            model__neck__in_channels=[24, 56, 80],
            model__backbone__widen_factor=1.0,
        )
    assert "[24, 56, 80]" in str(caught.value)
    assert "[40, 112, 160]" in str(caught.value)


def test_a_file_whose_own_channels_disagree(tiny, tmp_path):
    config = tmp_path / "wrong.py"
    config.write_text(
        f"_base_ = {str(tiny)!r}\nmodel = dict(neck=dict(in_channels=[1, 2, 3]))"
    )
    with pytest.raises(OptionError, match=r"\[1, 2, 3\].*\[20, 56, 80\]"):
        load_config(config)


def yolov3(in_channels, **backbone):
    return dict(
        backbone=dict(type="GhostNet", out_indices=(1, 2, 3), **backbone),
        neck=dict(
            type="YOLOV3Neck",
            num_scales=3,
            in_channels=in_channels,
            out_channels=[96, 96, 96],
        ),
    )


def test_yolov3_lists_the_deepest_map_first():
    model = yolov3([160, 112, 40], widen_factor=0.5)
    match_channels(model, yolov3([160, 112, 40], widen_factor=1.0))
    assert model["neck"]["in_channels"] == [80, 56, 20]
    model = yolov3([80, 56, 20], widen_factor=0.5)
    match_channels(model, yolov3([160, 112, 40]))
    assert model["neck"]["in_channels"] == [80, 56, 20]
    model = yolov3(None, widen_factor=0.5)
    match_channels(model, yolov3(None))
    assert tuple(model["neck"]["in_channels"]) == (80, 56, 20)


def test_the_first_of_several_necks_counts():
    def model(widen_factor):
        return dict(
            backbone=dict(type="GhostNet", widen_factor=widen_factor),
            neck=[
                dict(type="FPN", in_channels=[24, 40, 112, 160], out_channels=8),
                dict(type="BFP", in_channels=8, num_levels=5),
            ],
        )

    changed = model(0.5)
    match_channels(changed, model(1.0))
    assert changed["neck"][0]["in_channels"] == [12, 20, 56, 80]
    assert changed["neck"][1]["in_channels"] == 8


def test_a_neck_that_takes_the_deepest_map_only():
    def model(widen_factor):
        return dict(
            backbone=dict(type="GhostNet", widen_factor=widen_factor, out_indices=(3,)),
            neck=dict(type="DilatedEncoder", in_channels=160),
        )

    changed = model(0.5)
    match_channels(changed, model(1.0))
    assert changed["neck"]["in_channels"] == 80


def ssdlite(in_channels, out_channels, head_channels, **backbone):
    return dict(
        backbone=dict(type="GhostNet", out_indices=(2, 3), **backbone),
        neck=dict(
            type="SSDNeck",
            in_channels=in_channels,
            out_channels=out_channels,
            level_strides=(2,),
            level_paddings=(1,),
        ),
        bbox_head=dict(type="SSDHead", in_channels=head_channels),
    )


def test_maps_that_a_neck_passes_on_follow_behind_it():
    file_model = ssdlite((112, 160), (112, 160, 64), [112, 160, 64])
    changed = copy.deepcopy(file_model)
    changed["backbone"]["widen_factor"] = 0.5
    match_channels(changed, file_model)
    # mmdet compares tuples with tuples.
    assert changed["neck"]["in_channels"] == (56, 80)
    assert changed["neck"]["out_channels"] == (56, 80, 64)
    assert changed["bbox_head"]["in_channels"] == [56, 80, 64]


def test_another_number_of_maps_passed_on():
    file_model = ssdlite((112, 160), (112, 160, 64), (112, 160, 64))
    changed = copy.deepcopy(file_model)
    changed["backbone"]["out_indices"] = (1, 2, 3)
    match_channels(changed, file_model)
    assert changed["neck"]["out_channels"] == (40, 112, 160, 64)
    assert changed["bbox_head"]["in_channels"] == (40, 112, 160, 64)


def test_a_head_with_channels_of_its_own_keeps_them():
    file_model = ssdlite((112, 160), (112, 160, 64), (112, 160, 64))
    changed = copy.deepcopy(file_model)
    changed["backbone"]["widen_factor"] = 0.5
    changed["bbox_head"]["in_channels"] = (1, 2, 3)
    match_channels(changed, file_model)
    assert changed["bbox_head"]["in_channels"] == (1, 2, 3)


SSDLITE = Path(__file__).parents[2] / "configs" / "ssdlite_ghostnet_coco.py"


def test_channels_between_neck_and_head(tiny):
    options = {"model.bbox_head.in_channels": (112, 160, 512, 256, 256, 64)}
    with pytest.raises(OptionError, match=r"bbox_head does not .*256, 128\] channels"):
        load_config(SSDLITE, Options(cfg_options=options))
    with pytest.raises(OptionError, match=r"bbox_head does not .*16, 16\] channels"):
        load(tiny, model__bbox_head__in_channels=32)


def test_images_of_one_channel(tiny):
    """A grey image is not a mistake of the neck."""
    assert load(tiny, model__backbone__in_channels=1).backbone.in_channels == 1


def test_strides_of_ssd_beside_its_quotients():
    """As many maps as before, but finer ones."""
    options = {"model.backbone.out_indices": (1, 2)}
    with pytest.raises(OptionError, match=r"\[16, 32, 64, 107.*\[8, 16, 32"):
        load_config(SSDLITE, Options(cfg_options=options))


def family_switch(tmp_path, backbone, in_channels, options):
    config = tmp_path / "other.py"
    config.write_text(
        f"_base_ = {str(TINY)!r}\n"
        f"model = dict(backbone=dict(_delete_=True, **{backbone!r}),\n"
        f"    neck=dict(in_channels={in_channels!r}))"
    )
    keys = {f"model.backbone.{key}": value for key, value in options.items()}
    return load_config(config, Options(cfg_options=keys)).model


G_GHOST = dict(type="GGhostRegNet", arch="regnetx_200mf", out_indices=(1, 2, 3))
GHOST_RESNET = dict(type="GhostResNet", depth=50, ratio=4, out_indices=(1, 2, 3))


def test_arguments_of_the_class_before_are_left_out(tmp_path, capsys):
    model = family_switch(
        tmp_path, G_GHOST, [56, 152, 368], {"type": "GhostNetV3", "widen_factor": 0.5}
    )
    assert "arch" not in model.backbone
    assert model.neck.in_channels == [20, 56, 80]
    assert "GhostNetV3 does not take arch='regnetx_200mf'" in capsys.readouterr().out


def test_arguments_that_both_classes_have_are_kept(tmp_path, capsys):
    model = family_switch(
        tmp_path, GHOST_RESNET, [512, 1024, 2048], {"type": "GhostNet"}
    )
    assert model.backbone.ratio == 4
    assert "depth" not in model.backbone
    assert "does not take depth=50: left out" in capsys.readouterr().out


def test_arguments_that_a_class_hands_to_its_base_are_kept(tmp_path):
    """GhostNetV3 names none of these itself."""
    backbone = dict(type="GhostNet", ratio=2, with_cp=True, out_indices=(1, 2, 3))
    model = family_switch(tmp_path, backbone, [40, 112, 160], {"type": "GhostNetV3"})
    assert model.backbone.ratio == 2
    assert model.backbone.with_cp is True


def test_an_argument_set_with_the_other_class_must_be_its_own(tmp_path):
    with pytest.raises(OptionError, match=r"GhostNetV2\) has no argument 'depth'"):
        family_switch(
            tmp_path, G_GHOST, [56, 152, 368], {"type": "GhostNetV2", "depth": 50}
        )


def test_an_argument_of_no_class_stays_an_error(tmp_path):
    backbone = dict(type="GhostNet", wide_factor=0.5, out_indices=(1, 2, 3))
    with pytest.raises(OptionError, match="did you mean 'widen_factor'"):
        family_switch(tmp_path, backbone, [20, 56, 80], {})


def test_a_head_without_a_neck_follows():
    def model(widen_factor):
        return dict(
            backbone=dict(type="GhostNet", widen_factor=widen_factor, out_indices=(2,)),
            bbox_head=dict(type="RetinaHead", num_classes=3, in_channels=112),
        )

    changed = model(0.5)
    match_channels(changed, model(1.0))
    assert changed["bbox_head"]["in_channels"] == 56


@pytest.mark.parametrize(
    "backbone",
    [
        dict(type="ResNet", depth=18),
        dict(type="ResNet", depth=50, out_indices=(1, 3)),
        dict(type="MobileNetV2", out_indices=(2, 4, 6)),
        dict(type="CSPDarknet", deepen_factor=0.33, widen_factor=0.375),
        dict(type="SwinTransformer", embed_dims=24, depths=(1, 1, 1, 1)),
    ],
)
def test_channels_of_foreign_backbones(backbone):
    assert list(backbone_channels(backbone)) == returned(backbone)


@pytest.mark.parametrize(
    "name",
    [
        "retinanet/retinanet_r18_fpn_1x_coco.py",
        "retinanet/retinanet_r50_fpn_1x_coco.py",
        "yolo/yolov3_d53_8xb8-320-273e_coco.py",
        "yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py",
        "yolox/yolox_nano_8xb8-300e_coco.py",
        "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
        "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
        "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
        "ssd/ssd300_coco.py",
        "ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py",
        "atss/atss_r50_fpn_1x_coco.py",
        "gfl/gfl_r50_fpn_1x_coco.py",
        "yolof/yolof_r50-c5_8xb8-1x_coco.py",
        "centernet/centernet_r18_8xb16-crop512-140e_coco.py",
        "libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py",
        "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
        "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
        "tood/tood_r50_fpn_1x_coco.py",
    ],
)
def test_mmdets_own_recipes_pass_unchanged(name, tmp_path):
    config = tmp_path / "recipe.py"
    config.write_text(f"_base_ = 'mmdet::{name}'")
    before = Config.fromfile(config).model.to_dict()
    assert load_config(config, training=False).model.to_dict() == before
