"""Hard negatives and the consistency filter: what a first model makes of the data."""
