"""HTTP of checkpoints: thin endpoints, their models, and the one table of problems."""
