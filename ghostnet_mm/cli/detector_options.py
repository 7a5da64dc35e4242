"""Options that several tools share.

Imported before the arguments are parsed: from the standard library alone.
"""

import argparse


def add_input_options(
    parser: argparse.ArgumentParser, *, inputs: str, out: str, cfg_options: str
) -> None:
    """Add INPUT, --checkpoint, --config, --out, --device and --cfg-options.

    Args:
        parser: Of a tool that runs a trained model on pictures.
        inputs: What INPUT may be.
        out: The default folder of --out.
        cfg_options: A setting as an example for --cfg-options.
    """
    parser.add_argument("input", metavar="INPUT", help=inputs)
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="weights written by ghostnet train",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="default: the config that the checkpoint carries",
    )
    parser.add_argument(
        "--out", default=out, metavar="DIR", help="output folder (default: %(default)s)"
    )
    parser.add_argument(
        "--device", help="such as cpu or cuda:0 (default: the first GPU, or the CPU)"
    )
    add_cfg_options(parser, cfg_options)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG: of a command that any config will do for."""
    parser.add_argument(
        "config", metavar="CONFIG", help="a name from ghostnet configs, or your file"
    )


def add_size(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --size HEIGHT WIDTH, with ``text`` for its help."""
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help=text
    )


def add_cfg_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add --cfg-options, with a setting for its help."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help=f"change settings of the config, such as {example}",
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add --launcher."""
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes (default: none, a single one)",
    )


def add_detector_options(
    parser: argparse.ArgumentParser,
    *,
    config: str = "the config it was trained by",
    data_root: str,
    cfg_options: str,
) -> None:
    """Add CONFIG, CHECKPOINT, --data-root and --cfg-options.

    Args:
        parser: Of the tool.
        config: Help on CONFIG.
        data_root: Help on --data-root: what the tool does with the folders.
        cfg_options: A setting as an example for --cfg-options.
    """
    parser.add_argument("config", metavar="CONFIG", help=config)
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="weights written by ghostnet train"
    )
    parser.add_argument(
        "--data-root",
        nargs="+",
        action="extend",
        metavar="DIR",
        help=f"{data_root}; several are joined as in training; takes all that follows "
        "up to the next option, so write CONFIG and CHECKPOINT before it",
    )
    add_cfg_options(parser, cfg_options)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what changes how a user's data is read."""
    parser.add_argument(
        "--strict-data",
        action="store_true",
        help="refuse data that needs repairs, rather than repairing and telling",
    )
    parser.add_argument(
        "--crowd-as-objects",
        action="store_true",
        help="read crowd regions (iscrowd, difficult) as ordinary objects",
    )


def add_deployment_options(parser: argparse.ArgumentParser) -> None:
    """Add --name, --size, --limit, --latency-rounds and --threads."""
    parser.add_argument("--name", help="of the files (default: the config's)")
    add_size(parser, "of the network's input, in pixels (default: the config's)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="score the first N pictures only"
    )
    parser.add_argument(
        "--latency-rounds", type=int, default=50, help="timed rounds; 0: none (50)"
    )
    parser.add_argument("--threads", type=int, help="of every runtime")


def check_deployment_options(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, *counts: str
) -> None:
    """End with a usage error where an option is impossible.

    Args:
        parser: Of the tool, after `add_deployment_options`.
        arguments: What it parsed.
        *counts: Names of more arguments that must be 1 or more.
    """
    for name in ("limit", "threads", *counts):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more")
    if arguments.size is not None and min(arguments.size) < 1:
        parser.error("--size needs a height and a width of 1 or more pixels")
    if arguments.latency_rounds < 0:
        parser.error("--latency-rounds must be 0 or more")
