"""What each option of training sets, and which combinations are refused."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import HOOKS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.configuration.files.text import config_from_text
from ghostnet_mm.errors import OptionError

MORE_EPOCHS = {"train_cfg.max_epochs": 20, "train_cfg.val_interval": 1}


def hook(cfg, kind):
    (found,) = [hook for hook in cfg.custom_hooks if hook["type"] == kind]
    return found


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is a GPU, with bfloat16 as ``gpu.append(True)`` says."""
    bf16 = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(
        "torch.cuda.is_bf16_supported", lambda including_emulation=True: bool(bf16)
    )
    return bf16


@pytest.mark.parametrize("wanted", [True, "auto", "bf16"])
def test_amp_on_a_cpu_is_bfloat16(tiny, wanted):
    wrapper = load_config(tiny, Options(amp=wanted)).optim_wrapper
    assert wrapper.type == "CpuAmpOptimWrapper"
    assert "dtype" not in wrapper
    assert "loss_scale" not in wrapper


def test_amp_on_a_gpu_takes_either(tiny, gpu):
    gpu.append(True)
    wrapper = load_config(tiny, Options(amp="fp16")).optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ("AmpOptimWrapper", "float16")
    assert wrapper.loss_scale == "dynamic"
    wrapper = load_config(tiny, Options(amp="bf16")).optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ("AmpOptimWrapper", "bfloat16")
    # What the wrapper makes of it: a scaler that leaves the loss alone.
    scaler = torch.amp.GradScaler("cpu", **wrapper.loss_scale)
    assert scaler.scale(torch.tensor(3.0)) == 3.0


def test_amp_that_the_machine_does_not_have(tiny, monkeypatch, gpu):
    with pytest.raises(OptionError, match="Ampere"):
        load_config(tiny, Options(amp="bf16"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(OptionError, match="--amp fp16 needs a GPU"):
        load_config(tiny, Options(amp="fp16"))


def backbone_run(cfg, batches):
    """Train a GhostNet without batch statistics; losses are means over the batch."""
    torch.manual_seed(0)
    backbone = MODELS.build(cfg.model.backbone)
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2.0)
            module.running_mean.normal_(0, 0.3)
    backbone.train()
    optimizer = torch.optim.SGD(backbone.parameters(), lr=1.0, momentum=0.9)
    settings = dict(cfg.optim_wrapper)
    settings.pop("optimizer")
    wrapper = OPTIM_WRAPPERS.build(settings, default_args=dict(optimizer=optimizer))
    wrapper.initialize_count_status(backbone, 0, len(batches))
    for batch in batches:
        with wrapper.optim_context(backbone):
            loss = sum(features.float().square().mean() for features in backbone(batch))
        wrapper.update_params(loss)
    return backbone.state_dict()


@pytest.mark.parametrize("amp", [False, True])
def test_two_batches_of_two_are_one_of_four(tiny, amp):
    cfg_options = {"model.backbone.norm_eval": True, "model.backbone.out_indices": (1,)}
    cfg_options |= {"model.neck.num_outs": 5, "model.neck.in_channels": None}
    cfg_options |= {"model.neck.add_extra_convs": "on_output"}
    images = torch.randn(8, 3, 33, 47)
    plain = load_config(tiny, Options(cfg_options=cfg_options, amp=amp))
    halves = load_config(tiny, Options(cfg_options=cfg_options, amp=amp, accumulate=2))
    assert halves.optim_wrapper.accumulative_counts == 2
    expected = backbone_run(plain, images.split(4))
    found = backbone_run(halves, images.split(2))
    precision = dict(rtol=2e-2, atol=2e-3) if amp else dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, expected, **precision)
    start = backbone_run(plain, [])
    key = "conv_stem.weight"
    # Far further than the tolerance, so that a step too few would show.
    assert (start[key] - expected[key]).abs().max() > 0.01


def test_schedules_in_iterations_grow_with_accumulation(project_root, capsys):
    path = project_root / "configs" / "retinanet_ghostnet_digits.py"
    before = load_config(path).param_scheduler
    cfg = load_config(path, Options(accumulate=4))
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, 400)
    assert cosine == before[1]
    assert "4 times" in capsys.readouterr().out
    # A config that was dumped by such a run has grown already.
    again = load_config(path, Options(accumulate=4, cfg_options={
        "param_scheduler.0.end": 400, "optim_wrapper.accumulative_counts": 4,
    }))  # fmt: skip
    assert again.param_scheduler[0].end == 400
    assert capsys.readouterr().out == ""


def test_a_loop_in_iterations_grows_too(tiny):
    loop = dict(
        type="IterBasedTrainLoop",
        max_iters=100,
        val_interval=10,
        dynamic_intervals=[(90, 2)],
    )
    schedulers = [
        dict(type="MultiStepLR", by_epoch=False, milestones=[60, 80], end=100),
        dict(type="CosineAnnealingLR", by_epoch=False, begin=5, T_max=7),
    ]
    options = {"train_cfg": loop, "param_scheduler": schedulers}
    options |= {"default_hooks.checkpoint": dict(by_epoch=False, interval=10)}
    options |= {"custom_hooks": [dict(type="EMAHook", begin_iter=20)]}
    cfg = load_config(tiny, Options(cfg_options=options, accumulate=3))
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (300, 30)
    assert [tuple(interval) for interval in cfg.train_cfg.dynamic_intervals] == [
        (270, 6)
    ]
    assert cfg.param_scheduler[0].milestones == [180, 240]
    assert (cfg.param_scheduler[1].begin, cfg.param_scheduler[1].T_max) == (15, 21)
    assert cfg.default_hooks.checkpoint.interval == 30
    assert hook(cfg, "StepEMAHook")["begin_iter"] == 60


@pytest.mark.parametrize(
    ("what", "frozen_stages", "norm_eval"),
    [
        ("none", -1, False),
        ("norms", -1, True),
        ("stem", 0, True),
        ("backbone", 4, True),
    ],
)
def test_freezing(tiny, what, frozen_stages, norm_eval):
    pretrained = dict(type="Pretrained", checkpoint="timm://ghostnet_100.in1k")
    options = {"model.backbone.init_cfg": pretrained}
    cfg = load_config(tiny, Options(freeze=what, cfg_options=options))
    assert cfg.model.backbone.frozen_stages == frozen_stages
    backbone = MODELS.build(cfg.model.backbone).train()
    assert backbone.bn1.training != norm_eval
    learns = {name: p.requires_grad for name, p in backbone.named_parameters()}
    assert learns["conv_stem.weight"] == (frozen_stages < 0)
    assert any(learns.values()) == (what != "backbone")


def test_freezing_random_weights_is_refused_but_fine_tuning_is_not(tiny):
    with pytest.raises(OptionError, match="random weights"):
        load_config(tiny, Options(freeze="stem"))
    load_config(tiny, Options(freeze="none"))
    load_config(tiny, Options(freeze="stem", cfg_options={"load_from": "coco.pth"}))


def test_freezing_on_resume_needs_a_checkpoint_or_weights(tiny, tmp_path):
    """Catches a run that starts from the beginning with a frozen random backbone."""
    asked = dict(freeze="backbone", resume="latest", work_dir=str(tmp_path / "run"))
    for _ in range(2):
        with pytest.raises(OptionError, match=r"--resume PATH \(.*/run has none\)\.$"):
            load_config(tiny, Options(**asked))
        (tmp_path / "run").mkdir(exist_ok=True)  # empty is no better than absent
    pretrained = Options(**asked, backbone_weights="timm://ghostnet_100.in1k")
    assert load_config(tiny, pretrained).model.backbone.frozen_stages == 4
    torch.save({}, tmp_path / "run" / "epoch_1.pth")
    assert load_config(tiny, Options(**asked)).model.backbone.frozen_stages == 4


@pytest.mark.parametrize("name", ["yolox_ghostnet_coco", "gfl_ghostnet-nano_coco"])
def test_accumulation_makes_the_configs_own_average_wait(project_root, name):
    path = project_root / "configs" / f"{name}.py"
    before = hook(load_config(path), "EMAHook")
    cfg = load_config(path, Options(accumulate=4, ema=0.01))
    after = hook(cfg, "StepEMAHook")
    assert after == {**before, "type": "StepEMAHook", "momentum": 0.01}
    assert "ghostnet_mm" in cfg.custom_imports.imports
    assert HOOKS.get("StepEMAHook").__module__.startswith("ghostnet_mm.")
    kinds = [hook["type"] for hook in cfg.custom_hooks]
    assert not {"EMAHook", "WeightAverage"} & set(kinds)


def test_layer_decay_keeps_what_the_config_says_of_norms(tiny):
    options = {"optim_wrapper.paramwise_cfg": dict(norm_decay_mult=0.0)}
    cfg = load_config(tiny, Options(layer_decay=0.8, cfg_options=options))
    assert cfg.optim_wrapper.paramwise_cfg == dict(norm_decay_mult=0.0, decay_rate=0.8)
    constructor = cfg.optim_wrapper.constructor
    assert OPTIM_WRAPPER_CONSTRUCTORS.get(constructor).__name__ == constructor


def test_ema_adds_its_hook_or_changes_the_one_that_is_there(tiny, project_root):
    assert hook(load_config(tiny, Options(ema=True)), "WeightAverage").keys() == {
        "type"
    }
    cfg = load_config(tiny, Options(ema=0.01))
    assert hook(cfg, "WeightAverage")["momentum"] == 0.01
    # YOLOX averages by itself.
    yolox = project_root / "configs" / "yolox_ghostnet_coco.py"
    cfg = load_config(yolox, Options(ema=True))
    assert hook(cfg, "EMAHook")["momentum"] == 0.0001
    cfg = load_config(yolox, Options(ema=0.01))
    assert hook(cfg, "EMAHook")["momentum"] == 0.01
    assert "WeightAverage" not in [hook["type"] for hook in cfg.custom_hooks]


@pytest.mark.parametrize(
    ("evaluator", "score"),
    [
        (dict(type="CocoMetric", metric="bbox"), "coco/bbox_mAP"),
        (dict(type="CocoMetric", metric=["segm", "bbox"]), "coco/segm_mAP"),
        ([dict(type="mmdet.CocoMetric", prefix="mine")], "mine/bbox_mAP"),
        (dict(type="VOCMetric"), "pascal_voc/mAP"),
    ],
)
def test_early_stopping_watches_the_main_score(tiny, evaluator, score):
    options = {**MORE_EPOCHS, "val_evaluator": evaluator}
    cfg = load_config(tiny, Options(early_stop=True, cfg_options=options))
    assert hook(cfg, "EarlyStop") == dict(type="EarlyStop", monitor=score, patience=5)
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.save_best, checkpoint.rule) == (score, "greater")
    assert checkpoint.interval == 5


def test_validations_are_counted_as_mmengine_makes_them(tiny):
    loop = dict(
        type="EpochBasedTrainLoop", max_epochs=11, val_interval=4, val_begin=2
    )  # after epochs 4, 8, 11
    with pytest.raises(OptionError, match="a run of 3 validations"):
        load_config(tiny, Options(early_stop=2, cfg_options={"train_cfg": loop}))
    load_config(tiny, Options(early_stop=1, cfg_options={"train_cfg": loop}))
    loop["dynamic_intervals"] = [(10, 1)]  # after 4, 8, 9, 10 and 11
    with pytest.raises(OptionError, match="a run of 5 validations"):
        load_config(tiny, Options(early_stop=4, cfg_options={"train_cfg": loop}))


def test_randomness(tiny):
    cfg = load_config(tiny, Options(seed=7))
    assert cfg.randomness == dict(seed=7)
    cfg = load_config(tiny, Options(deterministic=True))
    assert cfg.randomness == dict(seed=0, deterministic=True)


def test_options_together_and_a_dumped_config_that_says_it_all(tiny):
    asked = Options(
        amp="bf16",
        ema=True,
        accumulate=2,
        channels_last=True,
        compile=True,
        layer_decay=0.8,
        early_stop=3,
        auto_scale_lr=True,
        seed=1,
        cfg_options=MORE_EPOCHS,
    )
    cfg = load_config(tiny, asked)
    own, *kinds = [hook["type"] for hook in cfg.custom_hooks]
    assert own == "RunReport"  # the file's
    assert kinds == ["WeightAverage", "EarlyStop", "ChannelsLast", "CompileParts"]
    assert cfg.runner_type == "BatchScalingRunner"
    text = config_from_text(cfg.pretty_text)
    for key in ("custom_hooks", "custom_imports", "optim_wrapper", "runner_type"):
        assert text[key] == Config(dict(cfg.to_dict()))[key]
    # A test is not concerned by any of it.
    plain = load_config(tiny, asked, training=False)
    assert [hook["type"] for hook in plain.custom_hooks] == [own]


IMPOSSIBLE = [
    (dict(ema=1.5), {}, "--ema 1.5"),
    (dict(ema=0.0), {}, "--ema 0.0"),
    (dict(accumulate=0), {}, "--accumulate 0"),
    (
        dict(accumulate=2),
        {"optim_wrapper.type": "OptimWrapperDict"},
        "OptimWrapperDict",
    ),
    (
        dict(accumulate=2),
        {"param_scheduler": [dict(type="ExponentialLR", gamma=0.9, by_epoch=False)]},
        "ExponentialLR",
    ),
    (dict(early_stop=0), MORE_EPOCHS, "--early-stop 0"),
    (dict(early_stop=True), {"val_dataloader": None}, "no val_dataloader"),
    (dict(early_stop=True), {}, "a run of 2 validations"),
    (
        dict(early_stop=True),
        {**MORE_EPOCHS, "val_evaluator": dict(type="CocoMetric", metric="proposal")},
        "main score",
    ),
    (dict(layer_decay=1.2), {}, "--layer-decay 1.2"),
    (dict(layer_decay=0.8), {"model.backbone.frozen_stages": 4}, "frozen in full"),
    (
        dict(layer_decay=0.8),
        {"optim_wrapper.constructor": "LearningRateDecayOptimizerConstructor"},
        "LearningRateDecayOptimizerConstructor",
    ),
    (
        dict(layer_decay=0.8),
        {"model.backbone": dict(_delete_=True, type="MobileNetV2")},
        "MobileNetV2",
    ),
    (dict(freeze="stem", backbone_weights="none"), {}, "random weights"),
    (
        dict(freeze="backbone"),
        {"model.backbone": dict(_delete_=True, type="MobileNetV2")},
        "MobileNetV2",
    ),
    (dict(compile=True), {"compile": True}, "compile in the config"),
    (dict(compile=True), {"model.backbone.with_cp": True}, "with_cp"),
    (dict(auto_scale_lr=True), {"runner_type": "FlexibleRunner"}, "FlexibleRunner"),
    (dict(seed=-1), {}, "--seed -1"),
]


@pytest.mark.parametrize(("asked", "cfg_options", "says"), IMPOSSIBLE)
def test_what_is_impossible_is_one_sentence(tiny, asked, cfg_options, says):
    with pytest.raises(OptionError) as caught:
        load_config(tiny, Options(cfg_options=cfg_options, **asked))
    message = str(caught.value)
    assert says in message
    assert message.endswith(".")
    assert "\n" not in message


def test_compiling_without_a_compiler(tiny, monkeypatch, tmp_path, gpu):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match="triton"):
        load_config(tiny, Options(compile=True))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(OptionError, match=r"C\+\+ compiler, and no-such-compiler"):
        load_config(tiny, Options(compile=True))
    monkeypatch.delenv("CXX")
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(OptionError, match="python3-dev"):
        load_config(tiny, Options(compile=True))


def test_the_preset_for_small_data_builds_what_it_names(project_root):
    path = project_root / "configs" / "_base_" / "finetune_small_data.py"
    cfg = load_config(path, Options(backbone_weights="timm://ghostnet_100.in1k"))
    cfg.model.backbone.init_cfg = None
    detector = MODELS.build(cfg.model)
    settings = dict(cfg.optim_wrapper)
    optimizer = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type=settings.pop("constructor"),
            paramwise_cfg=settings.pop("paramwise_cfg"),
            optim_wrapper_cfg=settings,
        )
    )(detector).optimizer
    rates = [group["lr"] for group in optimizer.param_groups]
    # Fifteen blocks and what is behind them; the stem does not learn.
    assert sorted(rates, reverse=True) == pytest.approx(
        [0.0025 * 0.8**distance for distance in range(16)]
    )
    for hook in cfg.custom_hooks:
        assert HOOKS.build(hook).priority


def test_keep_leaves_the_other_settings_of_checkpoints(tiny):
    hook = load_config(tiny, Options(keep=2)).default_hooks.checkpoint
    assert (hook.type, hook.interval, hook.max_keep_ckpts) == ("CheckpointHook", 5, 2)


def test_keep_of_nothing_is_refused(tiny):
    with pytest.raises(OptionError, match="keep 1 or more"):
        load_config(tiny, Options(keep=0))
    off = dict(keep=1, cfg_options={"default_hooks.checkpoint": None})
    with pytest.raises(OptionError, match="is None"):
        load_config(tiny, Options(**off))
