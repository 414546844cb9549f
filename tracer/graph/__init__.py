"""Graphs: what is drawn while tracing, what operators give, what the program changed."""
