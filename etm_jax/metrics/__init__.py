"""Metrics of a fitted topic model. They use numpy only, and score the β and θ of any model."""
