"""Programs that combine features of the language with tensors, state that is changed and a graph break anywhere; see `programs`."""
