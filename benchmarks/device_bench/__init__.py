"""Latency and throughput of a run in every runtime of a device."""
