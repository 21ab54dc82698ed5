"""Sequences to be classified, and series to be forecast."""
