"""Write your data in another format; see --help."""

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    from installation import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.cli import convert
    from ghostnet_mm.configuration.command_line import run_tool

    parser = argparse.ArgumentParser(
        description=convert.DESCRIPTION,
        epilog=convert.EXAMPLES.replace(
            "ghostnet convert", "python tools/convert_data.py"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.add_arguments(parser)
    return run_tool(convert.run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
