"""The library as a whole: its facade, its jobs, its models, and what looks after them."""
