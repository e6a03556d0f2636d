"""What codes does, one function an order; each runs in a transaction that its caller opened."""
