"""Many numbers as text, by a table of all there are instead of one format a number."""

from functools import lru_cache

import numpy as np

_WIDTH = len("0.123456,")


def six_decimals(values: np.ndarray) -> list[str]:
    """A line a row: its numbers with six decimals as `%.6f` writes them, between commas. values: [D, K] → D.

    Shares are written many at a time: a number of [0, 1] in single precision times a million is exact in double, whose
    nearest whole number, the even one in the middle, has the digits.
    """
    if values.dtype != np.float32 or not values.size or not ((values >= 0) & (values <= 1)).all():
        joined = ",".join(["%.6f"] * values.shape[1])
        return [joined % tuple(row) for row in values.tolist()]
    millionths = np.rint(values.astype(np.float64) * 1e6).astype(np.intp)
    lines, length = _millionths().take(millionths).tobytes().decode("ascii"), values.shape[1] * _WIDTH
    return [lines[start : start + length - 1] for start in range(0, len(lines), length)]


def four_decimals(values: np.ndarray) -> list[str]:
    """Each number with four decimals as `%.4f` writes it: [D] → D. Of shares of words many are equal."""
    texts = {value: f"{value:.4f}" for value in set(values.tolist())}
    return [texts[value] for value in values.tolist()]


@lru_cache(maxsize=1)
def _millionths() -> np.ndarray:
    """Each of the million and one shares with six decimals, and a comma: [1000001] of 9 bytes, 9 MB in all."""
    digits = np.frombuffer("".join(f"{i:03d}" for i in range(1000)).encode(), np.uint8).reshape(1000, 3)
    text = np.empty((1001, 1000, _WIDTH), np.uint8)
    text[..., :2] = np.frombuffer(b"0.", np.uint8)
    text[:1000, :, 2:5] = digits[:, None]
    text[..., 5:8] = digits
    text[..., 8] = ord(",")
    text[1000, 0] = np.frombuffer(b"1.000000,", np.uint8)
    return text.reshape(-1).view(f"V{_WIDTH}")[:1_000_001]
