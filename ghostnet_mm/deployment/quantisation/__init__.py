"""INT8 by post-training quantisation: calibrate, rank layers, choose, measure."""
