"""Train several detectors under one recipe and compare them: ``ghostnet compare``."""

import sys

from door import tool_main

main = tool_main("compare")

if __name__ == "__main__":
    sys.exit(main())
