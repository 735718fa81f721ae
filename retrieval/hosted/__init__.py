"""Embedders that others run and charge for."""
