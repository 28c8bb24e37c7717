"""The HTTP front before Triton: OpenAI's images API, KServe v2, protection, and what is observed."""
