"""What a model costs, and the machine it was measured on."""
