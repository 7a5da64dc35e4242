"""Draw what a detector finds beside what is there: ``ghostnet draw-grid``."""

import sys

from door import tool_main

main = tool_main("draw_grid")

if __name__ == "__main__":
    sys.exit(main())
