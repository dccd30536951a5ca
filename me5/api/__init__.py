"""Models behind an HTTP API: every text that is encoded leaves this computer.

``naming`` tells such names from others, ``service`` says what each API wants and answers, ``client`` asks it,
``kept`` remembers what was paid for, and ``encoder`` has the face of :class:`me5.Encoder`.
"""
