"""Draw what a segmentor says about every pixel: ``ghostnet segment``."""

import sys

from door import tool_main

main = tool_main("segment")

if __name__ == "__main__":
    sys.exit(main())
