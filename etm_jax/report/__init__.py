"""A finished run as a page, as plots, and as tables for other tools."""
