"""Write your data in another format: ``ghostnet convert``."""

import sys

from door import tool_main

main = tool_main("convert_data")

if __name__ == "__main__":
    sys.exit(main())
