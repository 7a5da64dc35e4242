"""One class for each format of exported files."""
