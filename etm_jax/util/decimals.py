"""Many numbers as text, by tables of digits instead of one format a number."""

import numpy as np

_DIGITS = np.frombuffer("".join(f"{i:03d}" for i in range(1000)).encode(), np.uint8).reshape(1000, 3)
_WIDTH = len("0.123456,")


def six_decimals(values: np.ndarray) -> list[str]:
    """A line a row: its numbers with six decimals as `%.6f` writes them, between commas. values: [D, K] → D.

    Shares are written many at a time: a number of [0, 1] in single precision times a million is exact in double, whose
    nearest whole number, the even one in the middle, has the digits.
    """
    if values.dtype != np.float32 or not values.size or not ((values >= 0) & (values <= 1)).all():
        joined = ",".join(["%.6f"] * values.shape[1])
        return [joined % tuple(row) for row in values.tolist()]
    millionths = np.rint(values.astype(np.float64) * 1e6).astype(np.int32)
    thousandths, rest = np.divmod(millionths, np.int32(1000))
    text: np.ndarray = np.empty((*values.shape, _WIDTH), np.uint8)
    text[..., 0] = ord("0") + (thousandths == 1000)
    text[..., 1] = ord(".")
    text[..., 2:5] = _DIGITS[thousandths % 1000]
    text[..., 5:8] = _DIGITS[rest]
    text[..., 8] = ord(",")
    lines, length = text.tobytes().decode("ascii"), values.shape[1] * _WIDTH
    return [lines[start : start + length - 1] for start in range(0, len(lines), length)]
