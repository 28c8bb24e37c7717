"""The parts that families build networks from, and the whole generator with pixels as its output."""
