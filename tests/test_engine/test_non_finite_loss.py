"""A loss that is NaN or infinite: what is said, and what becomes of the weights."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from support.running_tools import TINY
from support.trained_line import Line, loader, train_line
from torch import nn

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.hooks.non_finite_loss import NonFiniteLoss
from ghostnet_mm.engine.training.non_finite import find_origin, pictures_of
from ghostnet_mm.errors import OptionError, TrainingError

MOMENTUM = dict(optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9)))


class Spoil(Hook):
    """Makes the pictures of some iterations NaN."""

    priority = "HIGHEST"

    def __init__(self, *iterations, value=float("nan")):
        self.iterations, self.value = iterations, value

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in self.iterations:
            data_batch[0].fill_(self.value)


def batches():
    dataset = loader()["dataset"]
    pairs = [dataset[start : start + 2] for start in range(0, 8, 2)]
    return [[torch.stack(part) for part in zip(*pair, strict=True)] for pair in pairs]


def by_hand(steps, accumulate=1, epochs=1):
    """Train without mmengine; a step is the number of its batch, or a function."""
    torch.manual_seed(0)
    model = Line().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data, count = batches(), 0
    for step in steps:
        if callable(step):
            step(model, optimizer)
            continue
        count += 1
        if step is not None:
            loss = model(*data[step], mode="loss")["loss"] / accumulate
            loss.backward()
        if count % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    return model.state_dict()


def train(folder, on_nan, *hooks, epochs=1, **settings):
    settings = {**MOMENTUM, **settings}
    hooks = [NonFiniteLoss(on_nan), *hooks]
    return train_line(folder, hooks, epochs=epochs, **settings)


def test_a_run_without_faults_is_as_before(tmp_path):
    for on_nan in ("stop", "skip", "rollback"):
        runner = train(tmp_path, on_nan)
        torch.testing.assert_close(runner.model.state_dict(), by_hand([0, 1, 2, 3]))


def test_the_run_stops_before_the_weights_change(tmp_path):
    """Catches a stop after the step, with NaN in every weight."""
    seen = {}

    class Keep(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen["model"] = runner.model

    with pytest.raises(TrainingError) as caught:
        train(tmp_path, "stop", Spoil(2), Keep())
    message = str(caught.value)
    assert message.startswith(
        "The loss is nan at epoch 1 iter 3/4, in loss, for the batch is not finite as "
        "it comes, and the run stops before it changes the weights; try"
    )
    assert "(it is 0.1)" in message
    assert "--on-nan skip." in message
    assert "\n" not in message
    parameters = dict(seen["model"].named_parameters())
    expected = by_hand([0, 1])
    for name, value in parameters.items():
        torch.testing.assert_close(value.detach(), expected[name])


def test_the_way_to_go_on_names_the_last_checkpoint(tmp_path):
    with pytest.raises(TrainingError, match=r"--resume goes on from \S*epoch_1\.pth\."):
        train(tmp_path, "stop", Spoil(5), epochs=2)


def test_a_batch_left_out_leaves_nothing_behind(tmp_path, capsys):
    """Weights, momentum and norm statistics are those of a run without it."""
    runner = train(tmp_path, "skip", Spoil(2))
    torch.testing.assert_close(runner.model.state_dict(), by_hand([0, 1, 3]))
    said = capsys.readouterr().out
    assert "the loss is nan at epoch 1 iter 3/4" in said
    assert "1 batches were left out" in said


def test_a_batch_left_out_of_an_accumulated_step_counts(tmp_path):
    wrapper = dict(MOMENTUM["optim_wrapper"], accumulative_counts=2)
    for faulty, steps in ((2, [0, 1, None, 3]), (1, [0, None, 2, 3])):
        runner = train(tmp_path, "skip", Spoil(faulty), optim_wrapper=wrapper)
        torch.testing.assert_close(
            runner.model.state_dict(), by_hand(steps, accumulate=2)
        )


def test_the_weights_of_the_last_checkpoint_come_back(tmp_path, capsys):
    """And the optimizer's state; the schedule and the data go on."""
    kept = {}

    def keep(model, optimizer):
        kept["model"] = copy.deepcopy(model.state_dict())
        kept["optimizer"] = copy.deepcopy(optimizer.state_dict())

    def go_back(model, optimizer):
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])

    expected = by_hand([0, 1, 2, 3, keep, 0, 1, go_back, 3])
    runner = train(tmp_path, "rollback", Spoil(6), epochs=2)
    torch.testing.assert_close(runner.model.state_dict(), expected)
    assert "left out, back to epoch_1.pth" in capsys.readouterr().out


def test_without_a_checkpoint_there_is_nothing_to_go_back_to(tmp_path):
    with pytest.raises(TrainingError, match="epoch 1 iter 2/4"):
        train(tmp_path, "rollback", Spoil(1))


@pytest.mark.parametrize(("on_nan", "last"), [("skip", 10), ("rollback", 4 + 3)])
def test_what_does_not_end_ends_the_run(tmp_path, on_nan, last):
    first = 4 if on_nan == "rollback" else 0
    with pytest.raises(TrainingError) as caught:
        train(tmp_path, on_nan, Spoil(*range(first, 99)), epochs=5)
    assert f"epoch {last // 4 + 1} iter {last % 4 + 1}/4" in str(caught.value)


def test_another_reaction_is_refused():
    with pytest.raises(OptionError, match="choose one of stop, skip, rollback"):
        NonFiniteLoss("ignore")


class Chain(BaseModel):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2)
        self.third = nn.Linear(2, 2)

    def forward(self, x, mode):
        for layer in (self.first, self.second, self.third):
            x = layer(x)
        return dict(loss_a=x.square().mean(), loss_b=x.new_zeros(()), note="text")


def test_the_layer_that_is_first():
    model = Chain()
    model.second.weight.data.fill_(3e38)
    origin = find_origin(model, dict(x=torch.full((1, 2), 1e3)))
    assert (origin.layer, origin.losses, origin.weights) == ("second", ("loss_a",), ())
    assert origin.sentence_part() == "in loss_a, first behind second"


def test_weights_that_are_lost_already():
    model = Chain()
    model.third.bias.data[0] = float("inf")
    origin = find_origin(model, dict(x=torch.ones(1, 2)))
    assert origin.weights == ("third.bias",)
    assert "third.bias is not finite any more" in origin.sentence_part()


def test_the_pictures_of_a_batch():
    samples = [SimpleNamespace(img_path=f"data/{name}.jpg") for name in "ab"]
    assert pictures_of(dict(inputs=[], data_samples=samples)) == [
        "data/a.jpg",
        "data/b.jpg",
    ]
    assert pictures_of([torch.zeros(1)]) == []
    assert pictures_of(dict(data_samples=[object()])) == []


def test_the_flag_chooses_the_reaction():
    hooks = load_config(TINY, Options(on_nan="skip")).custom_hooks
    assert dict(type="NonFiniteLoss", on_nan="skip") in hooks
