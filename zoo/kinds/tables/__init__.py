"""Tables: numbers and categories, a row an example."""
