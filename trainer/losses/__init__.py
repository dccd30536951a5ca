"""Losses with their gradients, in blocks and over processes."""
