"""What make installs with: uv where pip would go, and on when an index is silent."""

import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from urllib.error import URLError

import pytest
from support.running_tools import ROOT, load_tool

tool = load_tool("install_requirements")


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def index(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/whl/cpu"
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent_port(monkeypatch):
    """A port that takes connections and never says a word."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_an_index_that_answers(index):
    assert tool.answers(f"{index}/torch/", 10)
    assert not tool.answers(f"{index}/missing/", 10)


def test_an_index_that_is_silent_is_given_up(silent_port):
    assert not tool.answers(f"http://127.0.0.1:{silent_port}/whl/cpu/torch/", 0.3)


def test_a_host_that_is_looked_up_for_ever_is_given_up(monkeypatch):
    asked, given_up = Event(), Event()

    def never(url, timeout):
        asked.set()
        given_up.wait(30)
        raise URLError("no such host")

    monkeypatch.setattr(tool.urllib.request, "urlopen", never)
    assert not tool.answers("https://nowhere.invalid/", 0.1)
    assert asked.is_set()
    given_up.set()


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert not tool.answers(f"http://127.0.0.1:{port}/", 10)


LISTED = """\
:env:.disable-pip-version-check='1'
:env:.find-links='/opt/wheels'
global.extra-index-url='file:///a/simple file:///b/simple'
global.find-links='/other /third'
global.index-url='https://mirror.example/simple'
install.index-url='https://inner.example/simple'
"""


def test_pips_settings_are_read_in_pips_order():
    assert tool.pip_settings(LISTED) == {
        "disable-pip-version-check": "1",
        "find-links": "/opt/wheels",
        "extra-index-url": "file:///a/simple file:///b/simple",
        "index-url": "https://inner.example/simple",
    }


def test_uv_goes_where_pip_would():
    found = tool.uv_environment(tool.pip_settings(LISTED), {"PATH": "/bin"})
    assert found == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://inner.example/simple",
        "UV_INDEX": "file:///a/simple file:///b/simple",
        "UV_FIND_LINKS": "/opt/wheels",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    # What is said to uv itself counts more.
    mine = {"UV_DEFAULT_INDEX": "https://mine.example/simple"}
    kept = tool.uv_environment(tool.pip_settings(LISTED), mine)
    assert kept["UV_DEFAULT_INDEX"] == mine["UV_DEFAULT_INDEX"]
    # Without mirrors nothing changes, uv's safer strategy neither.
    assert tool.uv_environment({}, {"PATH": "/bin"}) == {"PATH": "/bin"}


def test_uv_is_pinned_where_everything_is():
    text = (ROOT / "requirements.txt").read_text()
    assert tool.pinned(text, "uv").startswith("uv==")
    with pytest.raises(SystemExit, match="pin no nothing"):
        tool.pinned(text, "nothing")


class Calls:
    """subprocess.run, where every uv of ``failing`` fails."""

    def __init__(self, *failing):
        self.failing, self.made = list(failing), []

    def __call__(self, command, **options):
        words = [word for word in command if word != sys.executable]
        self.made.append(words)
        is_uv = words[:2] == ["-m", "uv"]
        failed = is_uv and self.failing.pop(0)
        return subprocess.CompletedProcess(command, int(failed), stdout="")

    @property
    def summary(self):
        return [
            ("uv cpu" if "--torch-backend" in words else "uv")
            if words[:2] == ["-m", "uv"]
            else "pip"
            for words in self.made
            if "config" not in words
        ]


@pytest.mark.parametrize(
    ("cpu", "failing", "expected"),
    [
        (True, [False], ["pip", "uv cpu"]),
        (True, [True, False], ["pip", "uv cpu", "uv"]),
        (True, [True, True], ["pip", "uv cpu", "uv", "pip"]),
        (False, [False], ["pip", "uv"]),
        (False, [True], ["pip", "uv", "pip"]),
    ],
)
def test_what_fails_is_followed_by_the_next(monkeypatch, cpu, failing, expected):
    calls = Calls(*failing)
    monkeypatch.setattr(tool.subprocess, "run", calls)
    monkeypatch.setattr(tool, "wants_cpu_build", lambda: cpu)
    tool.install(str(ROOT / "requirements.txt"))
    assert calls.summary == expected
    assert any(word.startswith("uv==") for word in calls.made[0])
    for words in calls.made[2:]:
        assert words[words.index("-r") + 1] == str(ROOT / "requirements.txt")


@pytest.mark.parametrize(
    ("gpu", "reachable", "backend", "wanted"),
    [
        (False, True, None, True),
        (False, False, None, False),
        (True, True, None, False),
        (False, True, "cu130", False),
    ],
)
def test_the_cpu_build_is_for_machines_without_a_gpu(
    monkeypatch, index, silent_port, gpu, reachable, backend, wanted
):
    monkeypatch.delenv(tool.BACKEND, raising=False)
    if backend:
        monkeypatch.setenv(tool.BACKEND, backend)
    monkeypatch.setattr(tool.sys, "platform", "linux")
    monkeypatch.setattr(tool, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(tool, "SECONDS_TO_ANSWER", 5.0 if reachable else 0.3)
    silent = f"http://127.0.0.1:{silent_port}/whl/cpu"
    monkeypatch.setattr(tool, "CPU_INDEX", index if reachable else silent)
    assert tool.wants_cpu_build() is wanted


def test_no_way_through_is_one_line(monkeypatch, capsys):
    def run(command, **options):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(tool.subprocess, "run", run)
    assert tool.main([str(ROOT / "requirements.txt")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
