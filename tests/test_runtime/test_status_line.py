import io

import pytest
from ghostnet_runtime.status_line import StatusLine, plain_duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.4, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (187, "3m07s"),
        (3599.7, "1h00m"),
        (7500, "2h05m"),
        (400000, "111h06m"),
    ],
)
def test_durations(seconds, text):
    assert plain_duration(seconds) == text


def test_a_terminal_keeps_one_line():
    terminal = Terminal()
    line = StatusLine(stream=terminal)
    line.show("one")
    line.show("two")
    line.say("stays")
    line.say("too")
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kstays\ntoo\n"


def test_a_long_line_does_not_wrap(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    StatusLine(stream=terminal).show("x" * 50)
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 19


def test_a_file_gets_a_line_now_and_then(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    file = io.StringIO()
    line = StatusLine(interval=10, stream=file)
    shown = []
    for second in range(25):
        now[0] = 100.0 + second
        if line.is_due():
            line.show(str(second))
            shown.append(second)
    assert shown == [0, 10, 20]
    assert file.getvalue() == "0\n10\n20\n"
