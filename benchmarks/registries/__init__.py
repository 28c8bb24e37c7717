"""Pushing to and pulling from registries: time, what goes twice, what is continued after a kill, what is refused."""
