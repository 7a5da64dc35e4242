"""``python -m ghostnet_mm``: the program ``ghostnet``."""

import sys

from ghostnet_launcher import main

if __name__ == "__main__":
    sys.exit(main())
