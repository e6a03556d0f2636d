"""checkpoints records scans: who came to which gate, what colour they had, and what the gate was to do."""
