"""Batch generation on a Ray cluster of several nodes on this machine, with what goes wrong in one."""
