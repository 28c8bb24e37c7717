"""Figures of pictures and features: pure functions of arrays and tensors."""
