"""Put many deploy cards into two tables: ``ghostnet list-cards``."""

import sys

from door import tool_main

main = tool_main("list_cards")

if __name__ == "__main__":
    sys.exit(main())
