"""What a picture hangs on: words, labels, source pixels, and directions of the latent space."""

from .explain import explain

__all__ = ["explain"]
