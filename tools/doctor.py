"""Show where a detector's time goes: ``ghostnet doctor``."""

import sys

from door import tool_main

main = tool_main("doctor")

if __name__ == "__main__":
    sys.exit(main())
