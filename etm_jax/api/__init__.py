"""The parts of `ETM`, the Python API, by idea."""
