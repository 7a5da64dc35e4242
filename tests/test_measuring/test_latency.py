"""Candidates are timed in turns."""

import numpy as np
import pytest
import torch

from ghostnet_mm.errors import OptionError
from ghostnet_mm.measuring.latency import (
    Gain,
    Timing,
    alternating_medians,
    alternating_times,
    paired_ratios,
    rounds_in_turns,
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
    work = FakeWork(monkeypatch)
    times = alternating_times(
        {"a": work.takes("a", [50, 9, 60, 1]), "b": work.takes("b", [70, 9, 80, 2])},
        rounds=1,
        warm_up=1,
        settling=1,
    )
    assert work.calls == ["a", "a", "b", "b"] * 2
    assert times == {"a": [1000.0], "b": [2000.0]}


def test_a_round_is_handed_out_before_the_next_begins():
    """Catches rounds that are collected first: an interruption would lose them."""
    values = iter(range(8))
    measures = {"a": lambda: next(values), "b": lambda: next(values)}
    rounds = rounds_in_turns(measures, rounds=3, warm_up=1)
    assert next(rounds) == {"a": 2, "b": 3}
    assert next(values) == 4


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
    gain = paired_ratios([2, 20, 3], [1, 10, 1])
    assert gain == Gain(median=2.0, low=2.0, high=2.5)
    assert str(gain) == "2.00 (2.00 to 2.50)"


def test_faster_for_sure_is_faster_in_three_of_four_rounds():
    assert Gain(1.1, 1.01, 1.2).is_sure
    assert not Gain(1.1, 1.0, 1.2).is_sure


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
