"""Scores, their intervals, simple models to compare with, and what is wrong with a model, in words."""
