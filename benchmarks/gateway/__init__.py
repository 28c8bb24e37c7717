"""The gateway, measured beside direct gRPC."""
