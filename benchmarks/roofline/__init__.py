"""What a machine allows at most, and how much of it a generator reaches: ceilings, counted work, and the roofline."""
