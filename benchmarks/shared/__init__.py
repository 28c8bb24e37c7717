"""What measurements share: machine, environment, cores, ratios of turns, and how a command ends."""
