"""Evaluate a model: ``ghostnet test``."""

import sys

from door import tool_main

main = tool_main("test")

if __name__ == "__main__":
    sys.exit(main())
