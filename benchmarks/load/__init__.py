"""Load on a runner or an endpoint, and what it measures: scenarios, windows, documents, reports."""
