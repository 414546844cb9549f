"""Programs that read state of their surroundings, which changes between calls and changes back; see `programs`."""
