"""Bundle -> endpoint: deploy to a Triton model repository, start a server, ask it for pictures.

This stage knows bundles and runners; it never imports torch, nor the stages after it.
"""
