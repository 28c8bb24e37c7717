"""One window measured: requests, the meter, what it reads of processes, and probes among the requests."""
