"""Exports: what a session captured, as files other programs read."""
