"""Formats of other runtimes: written, run by these in a clean process, held to the model, published."""
