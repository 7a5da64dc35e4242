"""A backbone that keeps random weights is told, whichever way it came about."""

import pytest

from ghostnet_mm.configuration import Options, load_config

PRETRAINED = dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k")
RESNET = dict(_delete_=True, type="ResNet", depth=18, out_indices=(1, 2, 3))


def backbone(**settings):
    return {f"model.backbone.{name}": value for name, value in settings.items()}


FROM_RANDOM = [
    (backbone(norm_eval=True), "norm_eval=True keeps"),
    (backbone(frozen_stages=0), "frozen_stages=0 keeps"),
    (
        backbone(frozen_stages=2, norm_eval=True),
        "norm_eval=True and frozen_stages=2 keeps",
    ),
    # Both classes keep their norms unless they are told otherwise.
    (
        {
            "model.backbone": dict(
                _delete_=True,
                type="GGhostRegNet",
                arch="regnetx_200mf",
                out_indices=(1, 2, 3),
            ),
            "model.neck.in_channels": None,
        },
        "norm_eval=True keeps",
    ),
    ({"model.backbone": RESNET, "model.neck.in_channels": None}, "norm_eval=True"),
]


@pytest.mark.parametrize(("cfg_options", "says"), FROM_RANDOM)
def test_random_weights_that_stay_are_told(tiny, capsys, cfg_options, says):
    load_config(tiny, Options(cfg_options=cfg_options))
    told = capsys.readouterr().out
    assert "model.backbone starts from random weights" in told
    assert says in told
    assert told.count("random weights") == 1


def test_a_file_that_says_so_is_told_too(tiny, tmp_path, capsys):
    config = tmp_path / "mine.py"
    config.write_text(
        f"_base_ = {str(tiny)!r}\nmodel = dict(backbone=dict(norm_eval=True))"
    )
    load_config(config)
    assert "random weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        dict(cfg_options=backbone(norm_eval=True, init_cfg=PRETRAINED)),
        dict(cfg_options=backbone(norm_eval=True, init_cfg=[PRETRAINED])),
        dict(cfg_options={**backbone(frozen_stages=1), "load_from": "coco.pth"}),
        dict(cfg_options={**backbone(frozen_stages=1), "model.init_cfg": PRETRAINED}),
        dict(cfg_options=backbone(norm_eval=True), resume="epoch_1.pth"),
        dict(cfg_options=backbone(norm_eval=False, frozen_stages=-1)),
        dict(cfg_options=backbone(norm_eval=True), backbone_weights="none"),
        {},
    ],
)
def test_nothing_is_said_where_weights_come_or_all_learns(
    tiny, tmp_path, monkeypatch, capsys, options
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "epoch_1.pth").touch()
    load_config(tiny, Options(**options))
    assert "random weights" not in capsys.readouterr().out


def test_a_test_is_not_concerned(tiny, capsys):
    load_config(tiny, Options(cfg_options=backbone(norm_eval=True)), training=False)
    assert "random weights" not in capsys.readouterr().out


def test_a_resumed_run_without_a_checkpoint_starts_from_scratch(tiny, tmp_path, capsys):
    asked = Options(
        cfg_options=backbone(norm_eval=True), resume="latest", work_dir=str(tmp_path)
    )
    load_config(tiny, asked)
    assert "random weights" in capsys.readouterr().out
