"""Proof of a graph while it is made: probes, replay, distance, and the layer that is at fault."""
