"""``python -m ghostnet_runtime`` is ``ghostnet-detect``."""

import sys

from .command_line import main

sys.exit(main())
