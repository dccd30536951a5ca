"""The embedded store: Qdrant Edge, owned by one child process."""
