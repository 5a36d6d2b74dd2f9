"""Arrays to bytes and back: little-endian, with a checksum, without pickle."""

import struct
import zlib

import numpy as np

_HEAD = struct.Struct("<4sI")
"""The kind of record, and the CRC-32 of all bytes after it."""

_NUMBER = struct.Struct("<Q")

_ARRAY = struct.Struct("<4xQQ")
_KINDS = ("|u1", "<i4", "<i8", "<u8")
_ALIGNED = 8


def pack(kind: bytes, *arrays: np.ndarray) -> bytes:
    """Arrays [N] of the types uint8, int32, int64 and uint64 as bytes. kind: four bytes that identify the record."""
    little = [np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for array in arrays]
    parts = [_NUMBER.pack(len(arrays))]
    parts += [_ARRAY.pack(_KINDS.index(array.dtype.str), len(array)) for array in little]
    for array in little:
        parts += [bytes(-(_HEAD.size + sum(map(len, parts))) % _ALIGNED), array.tobytes()]
    body = b"".join(parts)
    return _HEAD.pack(kind, zlib.crc32(body)) + body


def unpack(kind: bytes, data: bytes) -> list[np.ndarray]:
    """The inverse of `pack`: arrays [N], which share the memory of `data`. Raises ValueError where it is damaged."""
    if len(data) < _HEAD.size + _NUMBER.size:
        raise ValueError(f"{len(data)} bytes are too few for a record")
    found, checksum = _HEAD.unpack_from(data)
    if found != kind:
        raise ValueError(f"it begins with {found!r} instead of {kind!r}")
    if zlib.crc32(memoryview(data)[_HEAD.size :]) != checksum:
        raise ValueError("its checksum does not match its bytes")
    (number,) = _NUMBER.unpack_from(data, _HEAD.size)
    place, arrays = _HEAD.size + _NUMBER.size + number * _ARRAY.size, []
    if place > len(data):
        raise ValueError(f"it cannot hold {number} arrays")
    for i in range(number):
        code, length = _ARRAY.unpack_from(data, _HEAD.size + _NUMBER.size + i * _ARRAY.size)
        if code >= len(_KINDS):
            raise ValueError("it holds arrays of an unknown type")
        dtype = np.dtype(_KINDS[code])
        place += -place % _ALIGNED
        if length > len(data):
            raise ValueError(f"it cannot hold {length} numbers")
        arrays.append(np.frombuffer(data, dtype, length, place))
        place += length * dtype.itemsize
    return arrays
