"""Config files: reading them, and the folder of their run."""
