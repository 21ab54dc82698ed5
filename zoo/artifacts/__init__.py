"""Artifacts: the versioned folders of trained models, and how they are written, proven, loaded and used."""
