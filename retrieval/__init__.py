"""Parallax: one query, every angle on image retrieval."""
