"""What the ledger does, each in the caller's transaction."""
