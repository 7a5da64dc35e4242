"""Tables, pages and plots: one helper each."""
