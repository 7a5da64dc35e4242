"""The table of commands: what each is for, and which tool is the same."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from types import ModuleType

LOOK = "See what there is"
DATA = "Get data"
TRAIN = "Train and judge"
USE = "Use a trained model"
DEPLOY = "Put it on a device"
SPEED = "Find out what it costs"
PROGRAM = "This program"
# Arguments that may be configs, which mmengine runs as Python.
READING_CONFIGS = frozenset({"candidates", "config", "configs", "recipe"})


@dataclass(frozen=True)
class Command:
    """One command of ``ghostnet``.

    Its module in this folder has the same name, with underscores, and holds

    * ``DESCRIPTION`` and ``EXAMPLES``, the text of its help;
    * ``add_arguments(parser)``;
    * ``run(arguments)``, which imports what it calls;
    * where needed ``check_arguments(parser, arguments)`` for options that are
      impossible together, and ``needs_stack(arguments)``, which says False where
      `run` does without torch and mmdet.

    Attributes:
        name: As it is typed.
        wish: What a user wants to do with it; the commands of one wish are shown
            together.
        summary: What it does, in a few words.
        tool: ``tools/<tool>.py`` is the same; None where there is none.
    """

    name: str
    wish: str
    summary: str
    tool: str | None = None

    @property
    def module(self) -> ModuleType:
        """The module with its arguments and what it calls."""
        return importlib.import_module(f".{self.name.replace('-', '_')}", __package__)

    def parser(self, prog: str) -> argparse.ArgumentParser:
        """Make the parser of the command.

        Args:
            prog: How the command is called: ``ghostnet train``, or for a tool
                ``python tools/train.py``; the examples say the same.
        """
        module = self.module
        parser = argparse.ArgumentParser(
            prog=prog,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES.replace(f"ghostnet {self.name}", prog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(parser)
        if any(action.dest in READING_CONFIGS for action in parser._actions):
            parser.add_argument(
                "--safe-config",
                action="store_true",
                help="read configs as data: never run a config that is not yours",
            )
        return parser


COMMANDS = (
    Command("configs", LOOK, "the configs that come along: cost, published AP; copy"),
    Command(
        "complexity", LOOK, "parameters and MACs, part by part", "print_complexity"
    ),
    Command("make-digits", DATA, "a small dataset to try with", "make_digits_dataset"),
    Command(
        "make-digit-crops", DATA, "single digits to pretrain on", "make_digit_crops"
    ),
    Command("check", DATA, "what is wrong or strange in your data", "check"),
    Command("convert", DATA, "your data as COCO, YOLO or Pascal VOC", "convert_data"),
    Command("train", TRAIN, "train a model on your pictures or COCO", "train"),
    Command("test", TRAIN, "scores of a checkpoint, class by class", "test"),
    Command("draw-grid", TRAIN, "detections beside their ground truth", "draw_grid"),
    Command("compare", TRAIN, "several models under one recipe", "compare"),
    Command("try-configs", TRAIN, "two steps of every config", "try_configs"),
    Command("detect", USE, "boxes on pictures, videos or a camera", "detect"),
    Command("segment", USE, "a class for every pixel of pictures", "segment"),
    Command("export", DEPLOY, "ONNX, OpenVINO, ncnn, ... with proof", "export"),
    Command("quantize", DEPLOY, "INT8, step by step, measured", "quantize"),
    Command("list-cards", DEPLOY, "the deploy cards of many detectors", "list_cards"),
    Command("benchmark", SPEED, "latency of any mix, timed in turns", "benchmark"),
    Command("doctor", SPEED, "where the time goes, what would save some", "doctor"),
    Command(
        "benchmark-concat-free",
        SPEED,
        "Ghost blocks with and without concatenation",
        "benchmark_concat_free",
    ),
    Command("completion", PROGRAM, "completion for your shell"),
)


def command_of_tool(tool: str) -> Command:
    """Return the command that is the same as ``tools/<tool>.py``."""
    return next(command for command in COMMANDS if command.tool == tool)
