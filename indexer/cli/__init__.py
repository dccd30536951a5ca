"""The terminal verbs."""
