"""The same network for inference: folded norms, fused branches, no concatenation."""
