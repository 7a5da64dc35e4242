"""INT8 by post-training quantization: calibrate, rank layers, choose, measure."""
