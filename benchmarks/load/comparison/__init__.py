"""Two results compared: in turns, with an interval and a verdict."""
