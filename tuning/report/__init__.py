"""The report of a search: a page, a table of trials, and sentences."""
