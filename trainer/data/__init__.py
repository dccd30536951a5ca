"""Training data: pairs and query groups, out of files and the hub."""
