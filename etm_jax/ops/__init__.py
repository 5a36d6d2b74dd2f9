"""Array operations on sparse batches, on one device or a mesh of them."""
