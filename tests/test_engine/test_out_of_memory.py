"""Memory that runs out: the batch in parts, or one sentence."""

import pytest
import torch
from mmengine.model import BaseModel
from support.trained_line import Line, loader, train_line
from torch import nn

from ghostnet_mm.engine.hooks.non_finite_loss import NonFiniteLoss
from ghostnet_mm.engine.hooks.out_of_memory import OutOfMemory
from ghostnet_mm.engine.hooks.stop_on_signal import StopOnSignal, StopRequest
from ghostnet_mm.engine.training.batch_parts import is_out_of_memory
from ghostnet_mm.errors import TrainingError


class Small(BaseModel):
    """Runs out of memory above a number of pictures; no norm sees the batch."""

    def __init__(self, most, in_backward=False, error=None):
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.most, self.in_backward = most, in_backward
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried")

    def forward(self, x, y, mode):
        too_large = len(x) > self.most
        if too_large and not self.in_backward:
            raise self.error
        loss = (self.line(x) - y).square().mean()
        if too_large:
            loss.register_hook(self._fail)
        return dict(loss=loss)

    def _fail(self, gradient):
        raise self.error


def train(folder, most, *hooks, accumulate=1, **more):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    return train_line(
        folder,
        [OutOfMemory(), *hooks],
        model=Small(most, **more),
        train_dataloader=loader(batch_size=4, number=12),
        optim_wrapper=dict(
            optimizer=dict(type="SGD", lr=0.1, momentum=0.9),
            accumulative_counts=accumulate,
        ),
    )


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("in_backward", [False, True])
@pytest.mark.parametrize(("most", "parts"), [(3, 2), (1, 4)])
def test_the_parts_make_the_update_of_the_whole(
    tmp_path, capsys, error, in_backward, most, parts
):
    whole = train(tmp_path / "whole", 4)
    halved = train(tmp_path / "halved", most, in_backward=in_backward, error=error)
    said = capsys.readouterr().out
    torch.testing.assert_close(halved.model.state_dict(), whole.model.state_dict())
    assert f"batches of 4 are trained on in {parts} parts" in said
    assert said.count("out of memory at iteration 1 ") == parts.bit_length() - 1
    assert "iteration 2 " not in said


def test_accumulated_batches_count_as_before(tmp_path):
    whole = train(tmp_path / "whole", 4, accumulate=2)
    halved = train(tmp_path / "halved", 2, accumulate=2)
    torch.testing.assert_close(halved.model.state_dict(), whole.model.state_dict())


def test_a_single_picture_that_does_not_fit(tmp_path):
    with pytest.raises(TrainingError, match=r"a batch of one picture \(CUDA out of"):
        train(tmp_path, 0)


def test_what_was_trained_before_is_kept(tmp_path):
    class Full(OutOfMemory):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 2:
                runner.model.most = 0

    with pytest.raises(TrainingError, match="--resume"):
        train(tmp_path, 4, Full(), StopOnSignal(StopRequest()))
    saved = torch.load(tmp_path / "interrupted.pth", weights_only=False)
    assert saved["meta"]["iter"] == 2


def test_a_part_whose_loss_is_no_number_spoils_no_weight(tmp_path):
    class Nan(Small):
        def forward(self, x, y, mode):
            losses = super().forward(x, y, mode)
            factor = float("nan") if float(x[0, 0]) == first else 1.0
            return dict(loss=losses["loss"] * factor)

    first = float(loader(4, 12)["dataset"][0][0][0])
    torch.manual_seed(0)
    model = Nan(2)
    before = model.line.weight.detach().clone()
    with pytest.raises(TrainingError, match="iter 1/3"):
        train_line(
            tmp_path,
            [NonFiniteLoss("stop"), OutOfMemory()],
            model=model,
            train_dataloader=loader(batch_size=4, number=12),
        )
    torch.testing.assert_close(model.line.weight.detach(), before)


def test_another_error_passes_through(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"):
        train(tmp_path, 3, error=RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_norms_keep_their_own_statistics(tmp_path):
    """The parts' statistics, not the batch's: that is said."""

    class Narrow(Line):
        def forward(self, x, y, mode):
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(x, y, mode)

    runner = train_line(
        tmp_path,
        [OutOfMemory()],
        epochs=1,
        model=Narrow(),
        train_dataloader=loader(batch_size=4),
    )
    assert int(runner.model.norm.num_batches_tracked) == 4
