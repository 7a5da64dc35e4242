"""What is repaired in a data set, what is left out, and when it is refused."""
