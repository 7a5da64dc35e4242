"""tools/try_configs.py trains and predicts on real pictures."""

import pytest
from mmengine.config import Config
from support.reading_tables import cells_of
from support.running_tools import ROOT, run_here

from ghostnet_mm.model_zoo.config_trial import ConfigTrial, shrink, try_config

# One of each data pipeline and kind of output.
NAMES = (
    "gfl_ghostnet-nano_coco",
    "ssdlite_ghostnet_coco",
    "centernet_ghostnet_coco",
    "yolox_ghostnet-nano_coco",
    "rtmdet-ins_ghostnet_coco",
    "panoptic-fpn_ghostnet_coco",
    "lraspp_ghostnetv2_ade20k",
    "classifier_ghostnet_cifar10",
)


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_and_predictions_on_real_pictures(name, coco_subset):
    trial = try_config(ROOT / "configs" / f"{name}.py", coco_subset, size=128)
    assert len(trial.losses) == 2
    assert all(0 < loss < float("inf") for loss in trial.losses)
    assert trial.without_gradient == ()


def test_the_command_lists_costs_and_fails_for_a_broken_config(coco_subset, tmp_path):
    broken = tmp_path / "broken_coco.py"
    broken.write_text("model = dict(type='NoSuchDetector')\n")
    good = ROOT / "configs" / "yolox_ghostnet-nano_coco.py"
    done = run_here(
        *("try_configs", good, broken),
        *("--data-root", coco_subset, "--size", 96),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    _, _, tried, other = cells_of(done.stdout)
    assert tried[:3] == ["yolox_ghostnet-nano_coco.py", "2.07", "0.508"]
    assert len(tried[3].split(", ")) == 2
    assert other == ["broken_coco.py", "-", "-", "failed", "-", "-"]
    assert "broken_coco.py\nfailed: " in done.stderr
    assert "1 configs failed: broken_coco.py" in done.stderr


def test_notices_do_not_break_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "ghostnet_mm.model_zoo.config_trial.try_config",
        lambda *arguments: ConfigTrial((1.0, 0.9), 2, ()),
    )
    # Its backbone keeps norm statistics, which is undone, and told, without weights.
    config = ROOT / "configs" / "retinanet_ghostnet_coco.py"
    done = run_here("try_configs", config, "--data-root", "data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == ["|"] * 3
    assert "training the backbone from s" in done.stderr


def test_an_interruption_leaves_the_rows_of_what_was_tried(monkeypatch, tmp_path):
    tried = iter([ConfigTrial((1.0, 0.9), 2, ())])

    def try_config(*arguments):
        try:
            return next(tried)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("ghostnet_mm.model_zoo.config_trial.try_config", try_config)
    configs = [tmp_path / f"{name}.py" for name in ("first", "second")]
    done = run_here("try_configs", *configs, "--data-root", "data", cwd=tmp_path)
    assert done.returncode == 130
    assert cells_of(done.stdout)[2][:4] == ["first.py", "-", "-", "1.000, 0.900"]


def test_all_image_sizes_shrink_together():
    step = [
        dict(type="Mosaic", img_scale=(640, 640)),
        dict(type="RandomAffine", border=(-320, -320), scaling_ratio_range=(0.1, 2)),
        dict(type="Inner", transforms=[dict(type="Resize", scale=(1333, 800))]),
    ]
    loader = dict(dataset=dict(pipeline=step))
    cfg = Config(
        dict(
            train_dataloader=loader,
            val_dataloader=dict(dataset=dict(pipeline=[])),
            model=dict(data_preprocessor=dict(pad_size_divisor=32)),
        )
    )
    shrink(cfg, 320)
    mosaic, affine, inner = cfg.train_dataloader.dataset.pipeline
    assert mosaic.img_scale == (160, 160)
    assert affine.border == (-64, -64)
    assert affine.scaling_ratio_range == (0.1, 2)
    assert inner.transforms[0].scale == (320, 192)
    assert cfg.model.data_preprocessor.pad_size_divisor == 32
