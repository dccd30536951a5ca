"""A run: its loop, its folder, its processes, and how it is started and watched."""
