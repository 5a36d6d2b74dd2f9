"""Readers of documents: one file a kind of source."""
