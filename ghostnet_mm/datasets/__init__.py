"""A user's data: read from any format, repaired, split, checked; and the digits."""
