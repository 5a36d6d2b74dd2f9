"""Arrays as bytes and back: little-endian, with a checksum, without pickle."""

import struct
import zlib

import numpy as np

_HEAD = struct.Struct("<4sII")
"""What it is, the CRC-32 of all that follows, the number of arrays."""

_ARRAY = struct.Struct("<4xQQ")
_KINDS = ("|u1", "<i4", "<i8", "<u8")
_ALIGNED = 8


def pack(kind: bytes, *arrays: np.ndarray) -> bytes:
    """One-dimensional arrays of the types uint8, int32, int64 and uint64. kind: four bytes that say what they are."""
    little = [np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for array in arrays]
    parts = [_ARRAY.pack(_KINDS.index(array.dtype.str), len(array)) for array in little]
    for array in little:
        parts += [bytes(-(_HEAD.size + sum(map(len, parts))) % _ALIGNED), array.tobytes()]
    body = b"".join(parts)
    return _HEAD.pack(kind, zlib.crc32(body), len(arrays)) + body


def unpack(kind: bytes, data: bytes) -> list[np.ndarray]:
    """The inverse of `pack`; the arrays share the memory of `data`. Raises ValueError where it is not as it was."""
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are too few")
    found, checksum, number = _HEAD.unpack_from(data)
    if found != kind:
        raise ValueError(f"it begins with {found!r} and not with {kind!r}")
    if zlib.crc32(memoryview(data)[_HEAD.size :]) != checksum:
        raise ValueError("its checksum is not that of its bytes")
    heads = [_ARRAY.unpack_from(data, _HEAD.size + i * _ARRAY.size) for i in range(number)]
    place, arrays = _HEAD.size + number * _ARRAY.size, []
    for code, length in heads:
        dtype = np.dtype(_KINDS[code])
        place += -place % _ALIGNED
        arrays.append(np.frombuffer(data, dtype, length, place))
        place += length * dtype.itemsize
    return arrays
