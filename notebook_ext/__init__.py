"""Magics and kernel glue: what makes `%load_ext tracer` work."""
