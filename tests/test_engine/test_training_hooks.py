"""What the hooks of training do, on a model small enough to compute by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import EpochBasedTrainLoop
from support.trained_line import SCORE, Line, Script, train_line

from ghostnet_mm.checkpoints import load_checkpoint_file
from ghostnet_mm.configuration.training.accumulation import accumulate_batches
from ghostnet_mm.engine.hooks.early_stop import EarlyStop
from ghostnet_mm.engine.hooks.weight_average import WeightAverage
from ghostnet_mm.engine.training.model_forms import ChannelsLast, CompileParts
from ghostnet_mm.engine.training.runner import BatchScalingRunner


class Record(Hook):
    """Copies the model's tensors after every iteration."""

    def __init__(self):
        self.states = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        state = runner.model.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})


def average(states, momentum, gamma):
    """The formula of mmdet's ExpMomentumEMA, written out."""
    mean = {name: value.double() for name, value in states[0].items()}
    for step, state in enumerate(states[1:], start=1):
        share = (1 - momentum) * math.exp(-(1 + step) / gamma) + momentum
        for name, value in state.items():
            mean[name] = (1 - share) * mean[name] + share * value.double()
    return mean


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_saved_weights_are_the_average_of_the_steps(tmp_path, accumulate):
    """Catches an average over batches without a step, and raw weights on disk."""
    record, script = Record(), Script([0.1, 0.2])
    wrapper = dict(optimizer=dict(type="SGD", lr=0.3), accumulative_counts=accumulate)
    train_line(
        tmp_path,
        [record, WeightAverage(momentum=0.2, gamma=3)],
        script=script,
        optim_wrapper=wrapper,
    )
    assert len(record.states) == 8
    steps = record.states[accumulate - 1 :: accumulate]
    expected = average(steps, momentum=0.2, gamma=3)
    saved = load_checkpoint_file(tmp_path / "epoch_2.pth")
    raw = saved["ema_state_dict"]
    for name in ("line.weight", "line.bias", "norm.running_mean", "norm.running_var"):
        torch.testing.assert_close(saved["state_dict"][name].double(), expected[name])
        torch.testing.assert_close(raw[f"module.{name}"], steps[-1][name])
        assert not torch.allclose(saved["state_dict"][name], steps[-1][name])
    # Validation sees the average, and training goes on from the raw weights.
    assert torch.equal(script.seen[-1], saved["state_dict"]["line.weight"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_configs_own_average_is_one_of_the_steps(tmp_path, accumulate):
    """Catches mmengine's hook, which counts the batches that accumulation collects."""
    settings = dict(type="EMAHook", ema_type="mmdet.ExpMomentumEMA")
    settings.update(momentum=0.2, gamma=3, update_buffers=True)
    cfg = Config(
        dict(
            custom_hooks=[settings],
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.3)),
        )
    )
    accumulate_batches(cfg, accumulate)
    record = Record()
    train_line(tmp_path, [record, *cfg.custom_hooks], optim_wrapper=cfg.optim_wrapper)
    expected = average(record.states[accumulate - 1 :: accumulate], 0.2, 3)
    saved = load_checkpoint_file(tmp_path / "epoch_2.pth")["state_dict"]
    for name in ("line.weight", "norm.running_var"):
        torch.testing.assert_close(saved[name].double(), expected[name])


def test_momentum_and_warm_up_follow_the_length_of_the_run(tmp_path):
    def ema_cfg(steps, accumulate=1):
        hook = WeightAverage()
        loop = object.__new__(EpochBasedTrainLoop)
        loop._max_iters = steps * accumulate
        runner = SimpleNamespace(
            model=Line(),
            _train_loop=loop,
            optim_wrapper=SimpleNamespace(_accumulative_counts=accumulate),
        )
        hook.before_run(runner)
        return hook.ema_cfg["momentum"], hook.ema_cfg["gamma"]

    assert ema_cfg(1000) == (pytest.approx(0.02), 100)
    assert ema_cfg(1000, accumulate=4) == (pytest.approx(0.02), 100)
    # mmdet's own from 100,000 steps on; something possible for very few.
    assert ema_cfg(200_000) == (0.0002, 2000)
    assert ema_cfg(4) == (0.5, 1)


def test_a_test_does_not_build_the_training_loop():
    """It may have no training data at all."""
    hook = WeightAverage()
    hook.before_run(
        SimpleNamespace(
            model=Line(),
            _train_loop=dict(type="EpochBasedTrainLoop", max_epochs=3),
            optim_wrapper=None,
        )
    )
    assert hook.ema_model is not None


@pytest.mark.parametrize(
    ("scores", "patience", "last", "best"),
    [
        # 0.2005 is no improvement by 0.001, although its checkpoint is the best.
        ([0.1, 0.2, 0.2005, 0.19, 0.3, 0.4], 2, 4, 3),
        # An improvement starts the waiting anew.
        ([0.1, 0.05, 0.2, 0.15, 0.3, 0.2], 2, 6, 5),
        # Nothing detected at first: mmdet returns no score, which counts as 0.
        ([None, None, 0.2, 0.1, 0.1, 0.4], 2, 5, 3),
        ([None, None, 0.5, 0.6, 0.7, 0.8], 1, 2, 1),
    ],
)
def test_a_run_stops_when_its_score_does_not_rise(
    tmp_path, capsys, scores, patience, last, best
):
    checkpoint = dict(
        type="CheckpointHook", interval=1, save_best=SCORE, rule="greater"
    )
    runner = train_line(
        tmp_path,
        [EarlyStop(SCORE, patience)],
        epochs=6,
        script=Script(scores),
        default_hooks=dict(checkpoint=checkpoint),
    )
    assert runner.epoch == last
    assert [path.name for path in tmp_path.glob("best*")] == [
        f"best_coco_bbox_mAP_epoch_{best}.pth"
    ]
    said = capsys.readouterr().out
    assert (f"stopped after epoch {last}: {SCORE} has not risen" in said) == (last < 6)


def test_the_learning_rate_counts_accumulated_images(tmp_path, capsys):
    """mmengine alone would scale by 2 images of 16, whatever is accumulated."""
    runner = train_line(
        tmp_path,
        kind=BatchScalingRunner,
        optim_wrapper=dict(
            optimizer=dict(type="SGD", lr=0.3),
            accumulative_counts=4,
            paramwise_cfg=dict(custom_keys={"norm": dict(lr_mult=0.1)}),
        ),
        auto_scale_lr=dict(enable=True, base_batch_size=16),
    )
    rates = {group["lr"] for group in runner.optim_wrapper.optimizer.param_groups}
    assert sorted(rates) == pytest.approx([0.015, 0.15])
    assert (
        "learning rate 0.3 -> 0.15: 8 images a step (2 x 1 processes x 4 accumulated), "
        "where the recipe has 16"
    ) in capsys.readouterr().out


def detector(randomize_norms):
    """RetinaNet on a backbone of five blocks, with its own batch of two images."""
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="RetinaNet",
            data_preprocessor=dict(type="DetDataPreprocessor", pad_size_divisor=32),
            backbone=dict(type="GhostNet", widen_factor=0.5, out_indices=(1,)),
            neck=dict(type="FPN", in_channels=[20], out_channels=8, num_outs=1),
            bbox_head=dict(
                type="RetinaHead",
                num_classes=3,
                in_channels=8,
                feat_channels=8,
                stacked_convs=1,
                anchor_generator=dict(
                    type="AnchorGenerator", scales=[2], ratios=[1.0], strides=[8]
                ),
                loss_cls=dict(type="FocalLoss", use_sigmoid=True),
            ),
            train_cfg=dict(
                assigner=dict(
                    type="MaxIoUAssigner",
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.4,
                    min_pos_iou=0,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(type="PseudoSampler"),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            test_cfg=dict(nms_pre=10, score_thr=0.0, max_per_img=5),
        )
    )
    randomize_norms(model)
    return model.train()


def one_step(model):
    """Return the losses and the gradients of one batch of odd-sized images."""
    batch = demo_mm_inputs(2, [(3, 61, 90), (3, 64, 77)], num_items=[3, 0])
    for sample in batch["data_samples"]:
        sample.gt_instances.labels %= 3
    batch["inputs"] = [image.float() / 255 for image in batch["inputs"]]
    data = model.data_preprocessor(batch, training=True)
    losses = model(**data, mode="loss")
    total, logged = model.parse_losses(losses)
    total.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return {name: float(value) for name, value in logged.items()}, gradients


def assert_same_step(found, expected):
    losses, gradients = found
    assert losses == pytest.approx(expected[0], abs=1e-4)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(
            gradients[name], gradient, rtol=1e-3, atol=1e-4, msg=name
        )


def test_channels_last_trains_the_same(randomize_norms):
    expected = one_step(detector(randomize_norms))
    model = detector(randomize_norms)
    names = list(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    runner = SimpleNamespace(
        model=model, optim_wrapper=SimpleNamespace(optimizer=optimizer)
    )
    ChannelsLast().before_train(runner)
    seen = []
    model.bbox_head.register_forward_pre_hook(lambda _, maps: seen.extend(maps[0]))
    model.backbone.conv_stem.register_forward_pre_hook(
        lambda _, images: seen.extend(images)
    )
    assert_same_step(one_step(model), expected)
    assert list(model.state_dict()) == names
    form = torch.channels_last
    assert model.neck.fpn_convs[0].conv.weight.is_contiguous(memory_format=form)
    assert len(seen) == 2
    assert all(images.is_contiguous(memory_format=form) for images in seen)


def test_a_resumed_optimizer_follows_the_layout(randomize_norms):
    """A fused optimizer reads parameter and state side by side in memory."""

    def second_step(convert):
        model = detector(randomize_norms)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
        one_step(model)
        optimizer.step()
        if convert:
            runner = SimpleNamespace(
                model=model, optim_wrapper=SimpleNamespace(optimizer=optimizer)
            )
            ChannelsLast().before_train(runner)
        for name, parameter in model.named_parameters():
            generator = torch.Generator().manual_seed(len(name))
            value = torch.randn(parameter.shape, generator=generator)
            parameter.grad = torch.empty_like(parameter).copy_(value)
        optimizer.step()
        return model.state_dict()

    torch.testing.assert_close(second_step(True), second_step(False))


def test_compiled_parts_train_the_same(randomize_norms):
    expected = one_step(detector(randomize_norms))
    model = detector(randomize_norms)
    names = list(model.state_dict())
    hook = CompileParts(backend="aot_eager")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    hook.before_train(SimpleNamespace(model=model))
    assert_same_step(one_step(model), expected)
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 3
    assert list(model.state_dict()) == names
    # Validation is not compiled.
    hook.before_val_epoch(None)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 40, 40))
    hook.after_val_epoch(None)
    assert counters["stats"]["unique_graphs"] == 3
