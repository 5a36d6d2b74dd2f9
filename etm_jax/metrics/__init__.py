"""Figures of merit of a fitted topic model. numpy only: they score any model's β and θ."""
