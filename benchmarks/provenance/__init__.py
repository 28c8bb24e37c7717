"""Pictures of the gateway, made again from their receipts."""
