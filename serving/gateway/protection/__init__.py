"""Keys, limits and caps of the gateway."""
