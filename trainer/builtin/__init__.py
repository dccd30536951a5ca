"""The model that ships in ``me5/builtin``: static piece embeddings, trained on a CPU."""
