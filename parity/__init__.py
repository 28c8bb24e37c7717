"""Proof without torch: the gate and its limits, image metrics, failure modes, and `verify`."""
