"""Trainings of several processes against the same by one."""
