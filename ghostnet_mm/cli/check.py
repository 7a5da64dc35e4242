"""``ghostnet check``: see what is wrong or strange in your data before training."""

import argparse

DESCRIPTION = """\
Read annotated pictures in any format that training reads, decode every picture, and
tell what is in them and what is odd: classes that cannot be learnt or scored, near
duplicates within and across splits, damaged, turned, 16-bit and grey pictures,
suspicious boxes, what was repaired or left out. With --config also what is too small
for its maps and anchors, and what it leaves out of training. DATA is not changed.

Exit status: 0; 1 with --strict if something needs a look (lines that begin with
"warning" or "left out"); 2 if the data cannot be used."""
EXAMPLES = """\
examples:
  ghostnet check my_photos
  ghostnet check my_photos --config gfl_ghostnet-nano_coco --html check.html
  ghostnet check first_set second_set --json check.json --strict"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="your folder; several are joined by the names of their classes",
    )
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help="what you want to train: a name from ghostnet configs, or your file",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="change settings of the config",
    )
    parser.add_argument(
        "--crowd-as-objects",
        action="store_true",
        help="read crowd regions (iscrowd, difficult) as ordinary objects",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with status 1 if something needs a look",
    )
    parser.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    parser.add_argument(
        "--html", metavar="FILE", help="also write a page with pictures to look at"
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """End with a usage error where an option needs another."""
    if arguments.cfg_options and not arguments.config:
        parser.error("--cfg-options changes a config; name it with --config")


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks."""
    from pathlib import Path

    from ghostnet_mm.configuration import Options, prepare_run
    from ghostnet_mm.configuration.checking import check_user_data
    from ghostnet_mm.datasets.checks.console import tell_check
    from ghostnet_mm.errors import OptionError

    for file in (arguments.json, arguments.html):
        if file and not Path(file).absolute().parent.is_dir():
            raise OptionError(f"The folder of {file} does not exist; make it first.")
    config = None
    if arguments.config:
        options = Options.from_arguments(
            argparse.Namespace(cfg_options=arguments.cfg_options)
        )
        config = prepare_run(arguments.config, options, training=False)
    checked = check_user_data(arguments.data, config, arguments.crowd_as_objects)
    tell_check(checked.result)
    if arguments.json:
        checked.result.write_json(arguments.json)
    if arguments.html:
        checked.write_page(arguments.html)
    return 1 if arguments.strict and checked.result.warnings else 0
