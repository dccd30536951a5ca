"""How the models that ship were made and measured. Not in the wheel."""
