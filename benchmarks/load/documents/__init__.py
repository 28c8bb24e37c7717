"""Documents of a benchmark: latency, windows, quality, resources, cost, and the result that holds them."""
