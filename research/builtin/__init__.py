"""How the models that ship are measured, and the card and plots of ``fast``."""
