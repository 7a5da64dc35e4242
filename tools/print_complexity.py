"""Print parameters, MACs and activations: ``ghostnet complexity``."""

import sys

from door import tool_main

main = tool_main("print_complexity")

if __name__ == "__main__":
    sys.exit(main())
