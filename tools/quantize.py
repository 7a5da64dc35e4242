"""Quantize a trained detector to INT8: ``ghostnet quantize``."""

import sys

from door import tool_main

main = tool_main("quantize")

if __name__ == "__main__":
    sys.exit(main())
