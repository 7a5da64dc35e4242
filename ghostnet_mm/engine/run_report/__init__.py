"""The page that a training or a test leaves behind."""
