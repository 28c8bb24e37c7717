"""Ways to make a generator's pictures in this process without litho, a file for each tool."""
