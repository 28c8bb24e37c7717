"""Files that `litho deploy` copies into model repositories; Triton loads them, litho does not import them."""
