"""Galleries: pictures by row."""
