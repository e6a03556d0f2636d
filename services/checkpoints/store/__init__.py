"""The tables of checkpoints, except the append of a scan (scan_log.py)."""
