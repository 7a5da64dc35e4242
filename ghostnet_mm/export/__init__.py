"""From a trained detector to files that run on devices."""
