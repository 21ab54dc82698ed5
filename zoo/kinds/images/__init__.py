"""Images: folders and files of them, and the one decoder."""
