"""Encoders of the BERT family: a folder as the hub lays it out, and texts and words to vectors by it."""

from etm_jax.vectors.bert.encode import TextVectors, encode_texts, model_digest

__all__ = ["TextVectors", "encode_texts", "model_digest"]
