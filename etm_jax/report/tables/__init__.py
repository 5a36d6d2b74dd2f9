"""Tables of a run for a paper: topics, their shares by group and period, quotations."""
