"""A run on disk and in progress: snapshot, checkpoint, resuming, logs, alarms, processes."""
