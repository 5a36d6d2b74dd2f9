"""Helpers that every folder may import: errors, the console, files."""
