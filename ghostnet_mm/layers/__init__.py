"""The building blocks of the Ghost family."""
