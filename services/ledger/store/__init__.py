"""The ledger's tables in PostgreSQL: the book that use cases write, and the views that people read."""
