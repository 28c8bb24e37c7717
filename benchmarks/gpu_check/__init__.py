"""Parity, gate and latency of every family on a GPU."""
