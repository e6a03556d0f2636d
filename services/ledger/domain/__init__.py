"""What a ledger is, without a database, a framework or a clock."""
