"""The page that a search leaves."""
