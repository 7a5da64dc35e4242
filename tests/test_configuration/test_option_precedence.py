import importlib.util

import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.errors import CheckpointError, OptionError

WORK_DIR = "work_dir"


def test_named_options_beat_cfg_options_beat_the_file(tiny, tmp_path):
    assert load_config(tiny).work_dir == "./work_dirs/tiny_detector"
    options = {WORK_DIR: "from_cfg_options"}
    assert load_config(tiny, Options(cfg_options=options)).work_dir == options[WORK_DIR]
    cfg = load_config(tiny, Options(cfg_options=options, work_dir="from_flag"))
    assert cfg.work_dir == "from_flag"


def test_backbone_weights_beat_cfg_options(tiny, tmp_path):
    options = {"model.backbone.init_cfg": dict(type="Pretrained", checkpoint="a.pth")}
    kept = load_config(tiny, Options(cfg_options=options))
    assert kept.model.backbone.init_cfg.checkpoint == "a.pth"
    cfg = load_config(tiny, Options(cfg_options=options, backbone_weights="none"))
    assert cfg.model.backbone.init_cfg is None


def test_backbone_weights_name_a_source(tiny, tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"")
    for source in ("timm://ghostnet_100.in1k", str(file)):
        cfg = load_config(tiny, Options(backbone_weights=source))
        assert cfg.model.backbone.init_cfg == dict(type="Pretrained", checkpoint=source)


def test_from_scratch_nothing_stays_frozen(project_root):
    # Fixed random statistics and frozen random layers would learn nothing.
    main = project_root / "configs" / "retinanet_ghostnet_coco.py"
    assert load_config(main).model.backbone.norm_eval
    frozen = {"model.backbone.frozen_stages": 1}
    cfg = load_config(main, Options(cfg_options=frozen, backbone_weights="none"))
    assert not cfg.model.backbone.norm_eval
    assert cfg.model.backbone.frozen_stages == -1


def test_a_test_logs_below_the_run(tiny):
    cfg = load_config(tiny, training=False)
    assert cfg.work_dir == "./work_dirs/tiny_detector/test"
    cfg = load_config(tiny, Options(work_dir="here"), training=False)
    assert cfg.work_dir == "here"


@pytest.mark.parametrize(
    "before", ["OptimWrapper", "AmpOptimWrapper", "CpuAmpOptimWrapper"]
)
def test_amp_also_where_it_is_on_already(tiny, before, monkeypatch):
    options = Options(cfg_options={"optim_wrapper.type": before}, amp=True)
    assert load_config(tiny, options).optim_wrapper.type == "CpuAmpOptimWrapper"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    wrapper = load_config(tiny, options).optim_wrapper
    assert wrapper.type == "AmpOptimWrapper"
    assert wrapper.loss_scale == "dynamic"


def test_a_config_for_gpu_amp_says_what_to_do_on_a_cpu(tiny, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    options = {"optim_wrapper.type": "AmpOptimWrapper"}
    with pytest.raises(OptionError, match="--amp"):
        load_config(tiny, Options(cfg_options=options))
    # A test trains nothing, so the config is fine.
    load_config(tiny, Options(cfg_options=options), training=False)


def test_resume_alone_means_the_latest(tiny, tmp_path):
    cfg = load_config(tiny, Options(resume="latest"))
    assert (cfg.resume, cfg.load_from) == (True, None)
    file = tmp_path / "epoch_3.pth"
    file.write_bytes(b"")
    cfg = load_config(tiny, Options(resume=str(file)))
    assert (cfg.resume, cfg.load_from) == (True, str(file))
    with pytest.raises(CheckpointError, match="does not exist"):
        load_config(tiny, Options(resume=str(tmp_path / "none.pth")))


def test_auto_scale_lr_needs_the_batch_size_of_the_recipe(tiny):
    assert load_config(tiny, Options(auto_scale_lr=True)).auto_scale_lr.enable
    without = Options(cfg_options={"auto_scale_lr": None}, auto_scale_lr=True)
    with pytest.raises(OptionError, match="base_batch_size"):
        load_config(tiny, without)


def test_vis_adds_a_backend_once(tiny, monkeypatch):
    cfg = load_config(tiny, Options(vis="tensorboard"))
    kinds = [backend.type for backend in cfg.visualizer.vis_backends]
    assert kinds == ["LocalVisBackend", "TensorboardVisBackend"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match="wandb: pip install wandb"):
        load_config(tiny, Options(vis="wandb"))


def test_data_root_sets_the_classes_everywhere(tiny, coco_subset):
    cfg = load_config(tiny, Options(data_root=str(coco_subset)))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root.rstrip("/") == str(coco_subset)
    assert cfg.model.bbox_head.num_classes == 80
