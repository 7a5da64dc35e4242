"""``ghostnet``: instant help, the flags of the tools, and a package that is whole."""

import json
import os
import subprocess
import sys

import pytest
from support.flags_of_tools import FLAGS
from support.running_tools import ROOT, load_tool

import ghostnet_launcher
from ghostnet_mm.cli.commands import COMMANDS, command_of_tool
from ghostnet_mm.cli.program import overview

# What may not be there, or must not be imported, before the command line is read.
SLOW = ("torch", "torchvision", "mmdet", "mmengine", "mmcv", "numpy", "cv2", "timm")


def python(code, *arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def flags_of(command, prog):
    actions = [
        action for action in command.parser(prog)._actions if action.dest != "help"
    ]
    return {
        " ".join(action.option_strings) or action.dest: action.nargs
        for action in actions
    }


def test_every_help_comes_without_a_slow_import_and_has_examples(tmp_path):
    code = f"""
import contextlib, io, json, sys
import ghostnet_launcher
for name in {SLOW!r}:
    assert name not in sys.modules, name
    sys.modules[name] = None  # importing it is an error
texts = {{}}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            status = ghostnet_launcher.main(words)
        except SystemExit as stop:
            status = stop.code
    assert status == 0, words
    texts[" ".join(words)] = said.getvalue()
print(json.dumps(texts))
"""
    calls = [[], ["--help"], ["--version"], ["configs"], ["configs", "--names"]]
    calls += [[command.name, "--help"] for command in COMMANDS]
    done = python(code, json.dumps(calls), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    texts = json.loads(done.stdout)
    for command in COMMANDS:
        examples = texts[f"{command.name} --help"].partition("examples:")[2]
        assert f"ghostnet {command.name} " in examples, command.name
        assert command.summary in texts[""], command.name
    assert texts[""] == texts["--help"]


@pytest.mark.parametrize("tool", FLAGS)
def test_a_tool_and_its_command_take_the_same_flags(tool):
    command = command_of_tool(tool)
    ours = flags_of(command, f"ghostnet {command.name}")
    assert flags_of(command, f"python tools/{tool}.py") == ours
    # None that users have written down is gone.
    assert FLAGS[tool].items() <= ours.items()


def test_the_page_of_commands_is_up_to_date(tmp_path, monkeypatch, capsys):
    tool = load_tool("list_commands")
    assert tool.main(["--check"]) == 0
    monkeypatch.setattr(tool, "PAGE", tmp_path / "commands.md")
    assert tool.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().out
    assert tool.main([]) == 0
    written = tool.PAGE.read_text()
    assert "| `train`" in written
    assert all(flag in written for flag in FLAGS["train"])


def test_every_tool_of_a_command_is_a_door():
    for command in COMMANDS:
        if command.tool:
            assert (ROOT / "tools" / f"{command.tool}.py").is_file()
            assert callable(load_tool(command.tool).main)


@pytest.mark.parametrize("tool", ["train", "print_complexity"])
def test_the_help_of_a_tool_is_in_its_own_words(tool, capsys):
    with pytest.raises(SystemExit):
        load_tool(tool).main(["--help"])
    text = capsys.readouterr().out
    assert f"usage: python tools/{tool}.py" in text
    assert f"  python tools/{tool}.py " in text.partition("examples:")[2]
    assert f"ghostnet {command_of_tool(tool).name} " not in text


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("trian", "did you mean train?"),
        ("print_complexity", "did you mean complexity?"),
        ("tools/make_digits_dataset.py", "did you mean make-digits?"),
        ("zzz", "ghostnet alone lists them all"),
    ],
)
def test_an_unknown_command_is_one_sentence(word, says, capsys):
    assert ghostnet_launcher.main([word]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert says in said.err


def test_the_overview_groups_every_command_once():
    text = overview()
    for command in COMMANDS:
        assert text.count(f"\n  {command.name} ") == 1
        assert text.count(f"{command.wish}:\n") == 1


def test_a_package_that_was_only_postponed_is_imported_whole_later(tmp_path):
    done = python(
        "import contextlib, ghostnet_launcher, sys\n"
        "with contextlib.suppress(SystemExit):\n"
        "    ghostnet_launcher.main(['train', '--help'])\n"
        "import ghostnet_mm\n"
        "from mmdet.registry import MODELS\n"
        "assert MODELS.get('GhostNet') is ghostnet_mm.backbones.GhostNet\n",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_command_runs_with_the_package_whole(tmp_path):
    done = python(
        "import ghostnet_launcher, sys\n"
        "status = ghostnet_launcher.main(['configs', 'copy', sys.argv[1]])\n"
        "import ghostnet_mm\n"
        "import ghostnet_mm.cli.program\n"
        "assert ghostnet_mm.cli.program is sys.modules['ghostnet_mm.cli.program']\n"
        "from mmdet.registry import MODELS\n"
        "assert MODELS.get('GhostNet') is ghostnet_mm.backbones.GhostNet\n"
        "sys.exit(status)\n",
        "retinanet_ghostnet_digits",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "retinanet_ghostnet_digits.py"
    assert (tmp_path / "retinanet_ghostnet_digits.py").is_file()


def test_python_m_is_the_same_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ghostnet_mm", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ghostnet ")


def complete(words, cwd):
    script = """
eval "$($PYTHON -m ghostnet_launcher completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_ghostnet
printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        cwd=cwd,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_configs_and_files(tmp_path):
    (tmp_path / "gfl_mine.py").write_text("")
    assert complete(["ghostnet", "tra"], tmp_path) == ["train"]
    assert "--data-root" in complete(["ghostnet", "train", "--da"], tmp_path)
    found = complete(["ghostnet", "train", "gfl_"], tmp_path)
    assert {"gfl_ghostnet-nano_coco", "gfl_mine.py"} <= set(found)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_says_what_it_is_for(command):
    options = command.parser(f"ghostnet {command.name}")._actions
    silent = [option.dest for option in options if len(option.help or "") < 4]
    assert not silent
