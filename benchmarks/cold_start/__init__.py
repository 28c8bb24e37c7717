"""The time from a start to the first picture."""
