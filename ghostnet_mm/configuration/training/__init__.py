"""The training of a config: options, accumulation, early stopping, resuming."""
