"""What machines serve: step costs measured here, a queueing simulation of Triton's batcher with them, and a plan."""
