"""The composition root, and the work of a server besides serving calls."""
