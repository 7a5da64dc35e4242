"""The data of a config: pointing it at a folder, and checking what is there."""
