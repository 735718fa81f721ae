"""Ratios against peers; each module is a command that prints its own table."""
