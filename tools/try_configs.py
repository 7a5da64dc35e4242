"""Build, train and run every config: ``ghostnet try-configs``."""

import sys

from door import tool_main

main = tool_main("try_configs")

if __name__ == "__main__":
    sys.exit(main())
