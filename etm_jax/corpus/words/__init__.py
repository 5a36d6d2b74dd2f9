"""From text to words to a vocabulary."""
