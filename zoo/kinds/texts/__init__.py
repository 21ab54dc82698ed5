"""Texts: files of a folder, or a column of a table."""
