"""One file per tab: layout, wiring, words. Each has ``build(services, shell)``."""
