"""The model in training: where it starts, what it is made of, how it is saved."""
