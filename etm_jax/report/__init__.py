"""A run that has ended, as a page, as figures, as tables for other tools."""
