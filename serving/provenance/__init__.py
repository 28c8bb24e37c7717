"""Receipts: from what a picture was made, how to make it again, and a log that shows what was removed."""
