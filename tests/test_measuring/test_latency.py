"""Candidates are timed in turns."""

import numpy as np
import pytest
import torch

from ghostnet_mm.errors import OptionError
from ghostnet_mm.measuring.latency import (
    Timing,
    alternating_medians,
    alternating_times,
    paired_ratios,
    torch_threads,
)


class FakeWork:
    """Functions that take as long as they are told, by a clock that they move."""

    def __init__(self, monkeypatch):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def takes(self, name, durations):
        left = iter(durations)

        def run():
            self.calls.append(name)
            self.now += next(left)

        return run


def test_calls_take_turns_and_the_warm_up_is_not_counted(monkeypatch):
    work = FakeWork(monkeypatch)
    medians = alternating_medians(
        {"a": work.takes("a", [9, 1, 2, 9]), "b": work.takes("b", [9, 4, 3, 5])},
        rounds=3,
        warm_up=1,
    )
    assert work.calls == ["a", "b"] * 4
    assert medians == {"a": 2000.0, "b": 4000.0}


def test_settling_calls_come_first_in_each_turn_and_are_not_timed(monkeypatch):
    work, rounds = FakeWork(monkeypatch), []
    times = alternating_times(
        {"a": work.takes("a", [50, 9, 60, 1]), "b": work.takes("b", [70, 9, 80, 2])},
        rounds=1,
        warm_up=1,
        settling=1,
        after_round=rounds.append,
    )
    assert work.calls == ["a", "a", "b", "b"] * 2
    assert times == {"a": [1000.0], "b": [2000.0]}
    assert rounds == [1, 2]


def test_without_a_round_there_is_nothing_to_time():
    with pytest.raises(OptionError, match="--rounds 0"):
        alternating_times({"a": lambda: None}, 0)


def test_percentiles_are_numpys():
    milliseconds = tuple(np.random.default_rng(0).gamma(2, 3, 37))
    timing = Timing(milliseconds, images=4)
    assert timing.median == pytest.approx(np.median(milliseconds))
    assert timing.p90 == pytest.approx(np.quantile(milliseconds, 0.9))
    low, high = np.quantile(milliseconds, (0.25, 0.75))
    assert timing.spread == pytest.approx(high - low)
    assert timing.images_per_second == pytest.approx(4000 / np.median(milliseconds))
    assert Timing((3.0,)).spread == 0


def test_ratios_compare_the_same_round():
    # The second round was busy: both took ten times as long.
    ratio, low, high = paired_ratios([2, 20, 3], [1, 10, 1])
    assert (ratio, low, high) == (2.0, 2.0, 2.5)


def test_threads_are_restored_even_after_an_error():
    before = torch.get_num_threads()
    seen = []

    def fails():
        with torch_threads(before + 1):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before
    with torch_threads(None):
        assert torch.get_num_threads() == before
    with pytest.raises(OptionError, match="--threads 0"), torch_threads(0):
        pass
