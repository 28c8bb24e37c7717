"""A generator of the user's own: its signature file, its adapter, and the diagnosis of what cannot be exported."""
