"""SHOWS it all: the city's totals on a screen, from its own read model of what the other services tell."""
