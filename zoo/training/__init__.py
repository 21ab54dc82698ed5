"""`zoo.train` and the one loop."""
