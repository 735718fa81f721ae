"""Fitting a projection on frozen vectors."""
