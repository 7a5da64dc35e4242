"""The embedded dataset: handwritten digits on photographs."""
