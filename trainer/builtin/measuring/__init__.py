"""The yardstick of the built-in model: what is measured, on which held-out text, and how it is told.

``sets`` holds the evaluation sets; ``building`` and ``blocks`` make them from the data folder and a recipe,
with ``leaks`` as their judge; ``sentences``, ``same_language`` and ``across`` measure one encoder on them;
``report`` makes tables of the result. The command that runs everything is ``benchmarks/builtin.py``.
"""
