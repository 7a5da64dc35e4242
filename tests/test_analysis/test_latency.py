"""Candidates are timed in turns."""

from ghostnet_mm.analysis.latency import alternating_medians


def test_calls_take_turns_and_the_warm_up_is_not_counted(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def takes(name, durations):
        left = iter(durations)

        def run():
            calls.append(name)
            now[0] += next(left)

        return run

    medians = alternating_medians(
        {"a": takes("a", [9, 1, 2, 9]), "b": takes("b", [9, 4, 3, 5])},
        rounds=3,
        warm_up=1,
    )
    assert calls == ["a", "b"] * 4
    assert medians == {"a": 2000.0, "b": 4000.0}
