"""The versioned folder that training leaves: written, proven, opened and asked."""
