"""Cut single digits out of the digits dataset: ``ghostnet make-digit-crops``."""

import sys

from door import tool_main

main = tool_main("make_digit_crops")

if __name__ == "__main__":
    sys.exit(main())
