"""pkuseg's segmentation, computed on whole arrays: the same words, from the same model files."""
