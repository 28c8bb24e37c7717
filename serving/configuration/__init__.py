"""The `config.pbtxt` of a deployment: settings, flavours, warm-up, and the rules that Triton applies."""
