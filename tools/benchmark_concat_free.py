"""Time Ghost blocks without concatenation: ``ghostnet benchmark-concat-free``."""

import sys

from door import tool_main

main = tool_main("benchmark_concat_free")

if __name__ == "__main__":
    sys.exit(main())
