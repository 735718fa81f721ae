"""Numbers about answers."""
