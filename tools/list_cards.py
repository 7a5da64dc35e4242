"""Put many deploy cards into two tables; see --help."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Print two Markdown tables of the deploy cards of many detectors: mAP and the largest box
difference of every format, and the time from picture to boxes. Formats that broke a
tolerance are bold, and the exit status is then 2."""
EXAMPLES = """\
examples:
  python tools/list_cards.py work_dirs/*/deploy
  python tools/list_cards.py a/deploy_card.json b/deploy_card.json"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "cards",
        nargs="+",
        metavar="CARD",
        help="a deploy_card.json of tools/export.py, or a folder with some below",
    )
    return parser.parse_args(argv)


def list_cards(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.errors import ExportError
    from ghostnet_mm.export.card.card_table import (
        accuracy_table,
        latency_table,
        read_cards,
    )

    cards = read_cards(arguments.cards)
    for table in (accuracy_table, latency_table):
        print(table(cards).markdown(), end="\n\n")
    broken = [
        f"{exported.name} of {card.model.name}"
        for card in cards
        for exported in card.formats
        if exported.failures
    ]
    if broken:
        raise ExportError(f"Tolerances were not kept by {', '.join(broken)}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)  # before the slow imports: --help is instant
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(list_cards, arguments)


if __name__ == "__main__":
    sys.exit(main())
