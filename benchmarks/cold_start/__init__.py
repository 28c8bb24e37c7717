"""From a start to the first picture."""
