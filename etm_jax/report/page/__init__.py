"""The report of a run: one page that opens without the net, and what it shows as plain values."""
