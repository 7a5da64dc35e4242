"""What each runtime can do: one class each, registered by name."""
