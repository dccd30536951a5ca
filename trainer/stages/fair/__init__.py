"""Training towards vectors without language: a text in any language gets the vector of its meaning."""
