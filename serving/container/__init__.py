"""NVIDIA's Triton container: the command, the compose file and the image that serve a repository."""
