"""Make the digits dataset: ``ghostnet make-digits``."""

import sys

from door import tool_main

main = tool_main("make_digits_dataset")

if __name__ == "__main__":
    sys.exit(main())
