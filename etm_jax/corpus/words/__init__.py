"""Text to words, words to a vocabulary and to counts."""
