"""The views of a session: static summaries, later the live widget."""
