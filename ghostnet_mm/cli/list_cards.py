"""``ghostnet list-cards``: put many deploy cards into two tables."""

import argparse

DESCRIPTION = """\
Print two Markdown tables of the deploy cards of many detectors: mAP and the largest box
difference of every format, and the time from picture to boxes. Formats that broke a
tolerance are bold, and the exit status is then 2."""
EXAMPLES = """\
examples:
  ghostnet list-cards work_dirs/*/deploy
  ghostnet list-cards a/deploy_card.json b/deploy_card.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "cards",
        nargs="+",
        metavar="CARD",
        help="a deploy_card.json of ghostnet export, or a folder with some below",
    )


def run(arguments: argparse.Namespace) -> None:
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
