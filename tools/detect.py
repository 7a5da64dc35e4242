"""Detect objects in pictures, videos or a camera's view: ``ghostnet detect``."""

import sys

from door import tool_main

main = tool_main("detect")

if __name__ == "__main__":
    sys.exit(main())
