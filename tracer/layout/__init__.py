"""Pure layouts of graphs: ranks and order in, coordinates out."""
