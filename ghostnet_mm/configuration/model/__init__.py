"""The model of a config: building it, and making its parts fit together."""
