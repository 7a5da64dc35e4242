"""Reading what labelling tools write: one module per format, found by looking."""
