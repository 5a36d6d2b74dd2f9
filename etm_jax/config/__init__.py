"""Every setting of a run: how one is declared, which there are, what a variant and a model change, and the whole."""
