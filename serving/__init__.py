"""Bundle -> endpoint: deploy to a Triton model repository, start a server, request images.

This stage uses bundles and runners; it never imports torch, training, export or benchmarks.
"""
