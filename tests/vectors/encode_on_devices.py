"""Encode lines of a file by an encoder, on as many devices as XLA is told to see: FOLDER LINES MATRIX."""

import sys
from pathlib import Path

import jax
import numpy as np

from etm_jax.vectors.bert import encode_texts

if __name__ == "__main__":
    folder, lines, matrix = sys.argv[1:]
    found = encode_texts(folder, Path(lines).read_text("utf-8").split("\n"))
    np.savez(matrix, matrix=found.matrix, devices=len(jax.devices()))
