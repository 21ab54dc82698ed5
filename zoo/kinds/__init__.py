"""What goes into a model: how it is recognised, read and asked."""
