"""Topic modelling in embedding spaces, in JAX."""

__version__ = "0.1.0"
