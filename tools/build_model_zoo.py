"""Keep the table of configs true; see --help."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Make the tables of README.md and docs/model_zoo.md from configs/metafile.yml. Run in the
project's folder."""
EXAMPLES = """\
examples:
  python tools/build_model_zoo.py                      # refresh the tables
  python tools/build_model_zoo.py --check              # say what is stale, status 2
  python tools/build_model_zoo.py --measure            # parameters and MACs of all
  python tools/build_model_zoo.py --latency            # time all of them on this CPU"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", default=".", help="the project's folder (.)")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a table is stale"
    )
    parser.add_argument(
        "--measure", action="store_true", help="count parameters and MACs anew"
    )
    parser.add_argument(
        "--latency",
        action="store_true",
        help="time one forward pass of each network: eager PyTorch, batch 1, deployed "
        "form, without decoding and NMS",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="measure these entries only"
    )
    parser.add_argument(
        "--rounds", type=int, default=9, help="timed rounds, alternating (9)"
    )
    return parser.parse_args(argv)


def build(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.errors import DataError, OptionError
    from ghostnet_mm.measuring.latency import alternating_medians
    from ghostnet_mm.measuring.machine import describe_machine
    from ghostnet_mm.model_zoo import (
        read_metafile,
        refresh,
        stale_documents,
        write_metafile,
    )
    from ghostnet_mm.model_zoo.measuring import count, latency_pass
    from ghostnet_mm.model_zoo.metafile import configs_without_entry

    metafile = read_metafile(arguments.root)
    missing = configs_without_entry(metafile, arguments.root)
    if missing:
        raise DataError(
            f"configs/metafile.yml and configs/ differ in {', '.join(missing)}; add or "
            f"remove the entry."
        )
    names = [entry["Name"] for entry in metafile.models]
    unknown = sorted(set(arguments.only or ()) - set(names))
    if unknown:
        raise OptionError(f"--only names {', '.join(unknown)}, which is no entry.")
    only = arguments.only or names
    chosen = [entry for entry in metafile.models if entry["Name"] in only]
    if arguments.check:
        stale = stale_documents(metafile, arguments.root)
        if stale:
            raise DataError(
                f"The table of {' and '.join(stale)} is stale; run "
                f"python tools/build_model_zoo.py."
            )
        print("the tables are up to date")
        return
    if arguments.measure:
        for index, entry in enumerate(chosen):
            parameters, macs = count(entry, arguments.root)
            entry["Metadata"].update(Parameters=parameters, MACs=macs)
            write_metafile(metafile, arguments.root)  # an interruption costs little
            print(
                f"[{index + 1}/{len(chosen)}] {entry['Name']}: "
                f"{parameters / 1e6:.2f} M parameters, {macs / 1e9:.3f} GMACs"
            )
    if arguments.latency:
        if len(chosen) != len(metafile.models) and metafile.machine not in (
            None,
            describe_machine(),
        ):
            raise OptionError("The other entries were timed on another machine.")
        passes = {
            entry["Name"]: latency_pass(entry, arguments.root) for entry in chosen
        }
        medians = alternating_medians(passes, arguments.rounds)
        for entry in chosen:
            entry["Metadata"]["CPU Latency (ms)"] = round(medians[entry["Name"]], 1)
            print(f"{entry['Name']}: {medians[entry['Name']]:.1f} ms")
        metafile.machine = describe_machine()
        write_metafile(metafile, arguments.root)
    changed = refresh(metafile, arguments.root)
    print(f"rewritten: {', '.join(changed) or 'nothing, all was up to date'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from door import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(build, arguments)


if __name__ == "__main__":
    sys.exit(main())
