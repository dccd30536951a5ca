"""Parallel text: sentences of two languages in, pairs that translate each other out."""
