"""How requests travel: one transport a file, found by its name."""
