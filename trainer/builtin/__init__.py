"""The model that ships in ``me5/fast``: static piece embeddings, trained on a CPU."""
