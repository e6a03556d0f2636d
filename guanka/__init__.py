"""The command line: starts the product, shows it, checks it."""
