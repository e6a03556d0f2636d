"""What checkpoints means: scans, passes, policies, admission and tracing; no I/O, no framework, no clock."""
