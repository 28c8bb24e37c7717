"""Served against in-process throughput."""
