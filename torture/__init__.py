"""Long trials of what the tests try briefly: `make torture` runs them all."""
