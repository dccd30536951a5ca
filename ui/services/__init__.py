"""What the page, its endpoints and the terminal may do; a handler of a tab is layout and wiring. No gradio.

``library`` (collections, documents, jobs of the page), ``search``, ``models``, ``parallel`` and ``reviews``
(parallel text), ``training``, ``evaluation``, ``jobs`` (what runs in processes of its own), and ``access``:
what a visitor may name.
"""
