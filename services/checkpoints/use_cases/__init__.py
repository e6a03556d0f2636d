"""What checkpoints does besides scanning and tracing; each module is one noun's orders."""
