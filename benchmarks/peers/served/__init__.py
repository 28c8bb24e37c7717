"""Servers of one graph, a file for each; `base` says what each declares and `turns` measures them."""
