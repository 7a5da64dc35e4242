"""ONNX: the model, and what is put before and behind it as nodes."""
