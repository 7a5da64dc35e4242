"""``ghostnet configs``: list the configs that come along, or copy one."""

import argparse

DESCRIPTION = """\
List the configs that come with ghostnet: what each costs, and what was published of it.
Every command takes one by its name, from any folder. `copy` puts one beside you, as one
file that builds on no other, to be changed."""
EXAMPLES = """\
examples:
  ghostnet configs
  ghostnet configs gfl
  ghostnet configs copy gfl_ghostnet-nano_coco
  ghostnet configs copy gfl_ghostnet-nano_coco --out my_configs

In a config of your own, build on one by
  _base_ = "ghostnet_mm::gfl_ghostnet-nano_coco.py\""""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="list those whose name has every WORD in it, or: copy NAME ...",
    )
    parser.add_argument(
        "--out", metavar="DIR", default=".", help="where copies go (this folder)"
    )
    parser.add_argument(
        "--names", action="store_true", help="list the names alone, one a line"
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """End with a usage error where options are impossible together."""
    if arguments.words == ["copy"]:
        parser.error("copy needs the NAME of a config")


def needs_stack(arguments: argparse.Namespace) -> bool:
    """Whether torch and mmdet are needed: copying reads the config."""
    return arguments.words[:1] == ["copy"]


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    if needs_stack(arguments):
        _copy(arguments)
    else:
        _list(arguments)


def _copy(arguments: argparse.Namespace) -> None:
    from ghostnet_mm.configuration.files.copying import copy_config
    from ghostnet_mm.version import __version__

    for name in arguments.words[1:]:
        print(copy_config(name, arguments.out, __version__))


def _list(arguments: argparse.Namespace) -> None:
    from ghostnet_mm.model_zoo import read_metafile
    from ghostnet_mm.model_zoo.listing import has_words, list_configs
    from ghostnet_mm.shipped_configs import shipped_names, shipped_root

    words = arguments.words
    if arguments.names:
        print("\n".join(name for name in shipped_names() if has_words(name, words)))
        return
    metafile = read_metafile(shipped_root())
    tables = list_configs(metafile, words)
    for task, table in tables.items():
        print(f"{task}\n\n{table.plain()}\n")
    if not tables:
        print(
            f"no config has {' and '.join(words)} in its name; ghostnet configs lists "
            f"them all"
        )
        return
    print(
        f"CPU: one forward pass without decoding and NMS; {metafile.machine}. "
        f"-: not measured, or not published."
    )
