"""See what is wrong or strange in your data: ``ghostnet check``."""

import sys

from door import tool_main

main = tool_main("check")

if __name__ == "__main__":
    sys.exit(main())
