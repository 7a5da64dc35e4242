"""Train a model and evaluate it: ``ghostnet train``."""

import sys

from door import tool_main

main = tool_main("train")

if __name__ == "__main__":
    sys.exit(main())
