"""The published models in torch, and the comparison of ours with them, number by number."""
