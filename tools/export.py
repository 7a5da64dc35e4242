"""Export a trained detector for phones and CPUs: ``ghostnet export``."""

import sys

from door import tool_main

main = tool_main("export")

if __name__ == "__main__":
    sys.exit(main())
