"""From a file, a folder or a name to sparse counts."""
