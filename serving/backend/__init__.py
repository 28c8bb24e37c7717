"""Files that are copied into model repositories; Triton loads them, litho does not import them."""
