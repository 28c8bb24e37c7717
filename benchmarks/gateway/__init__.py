"""The gateway judged from outside: its cost beside direct gRPC, connections held, memory, keys, generated requests."""
