"""Reading pictures while a run is under way."""
