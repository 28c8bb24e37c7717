"""KServe v2 over HTTP for the models of litho, checked before anything reaches Triton."""
