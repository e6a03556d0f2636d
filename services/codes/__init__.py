"""codes: says who has which colour and why, and issues the passes and lists that gates read."""
