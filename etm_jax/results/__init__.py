"""What a run leaves: topic arrays, tables, figures of merit, comparisons."""
