"""Time configs, checkpoints and exported files: ``ghostnet benchmark``."""

import sys

from door import tool_main

main = tool_main("benchmark")

if __name__ == "__main__":
    sys.exit(main())
