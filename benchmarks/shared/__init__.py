"""What measurements share: the environment, the cores of server and clients, ratios of turns, and what is measured."""
