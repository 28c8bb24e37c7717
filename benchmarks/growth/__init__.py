"""How time and throughput grow with batch, pixels, steps, clients and models, with fitted exponents."""
