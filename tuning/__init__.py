"""Hyperparameter searches with Keras Tuner whose winner is an artifact.

The room for search spaces (hyperparameters to keyword arguments of a builder) and for the search itself; it stands
on `applications` and `zoo`, and neither of them knows it.
"""
