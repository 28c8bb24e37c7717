"""Streams of training data: their speed, and what a training that was cut gets after it."""
