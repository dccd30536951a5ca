"""Evaluation tasks: found by the layout of their files, measured, reported.

``layouts`` recognises what lies at a path and ``hub`` runs tasks by name through mteb; ``models`` is what
can be measured; ``scoring`` turns a part of a task into samples, ``running`` collects them in a report, and
``verb`` is ``python app.py evaluate``. Search through a whole collection (chunks, hybrid) is not measured
here: trainer knows no indexer.
"""
