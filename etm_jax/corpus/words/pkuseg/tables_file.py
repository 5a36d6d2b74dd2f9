"""The tables of a model in a file, which processes map into memory and share."""

import contextlib
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.corpus.words.pkuseg.files import ModelFiles
from etm_jax.corpus.words.pkuseg.tables import Tables
from etm_jax.util.console import note
from etm_jax.util.digests import digest, file_digest
from etm_jax.util.disk import cache_folder
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, replace_file, replace_text

_FORMAT = 4  # to be raised when the tables of a model change
_ALIGNED = 64  # bytes; numpy computes slower with arrays that begin elsewhere
_LOCAL_HEADER = 30  # bytes of a zip member's header before its name


def load_tables(files: ModelFiles, folder: Path | None = None) -> Tables:
    """The tables of a model, from the file that an earlier call left, else made anew, which takes some 15 s.

    folder: of such files; by default that of caches. Where it cannot be written to, the tables are not kept. Raises
    UserError where the model cannot be read.
    """
    folder = cache_folder() if folder is None else folder
    seen = folder / f"pkuseg-{digest(json.dumps([_FORMAT, *map(_seen, files.all)]).encode())[:16]}.json"
    try:
        known = json.loads(seen.read_text("utf-8"))
        path = folder / known["tables"]
        if _stamp(path) == known["stamp"]:
            return read_tables(path)
    except DAMAGED:
        pass
    digests = [file_digest(path) for path in files.all]
    path = folder / f"pkuseg-{digest(json.dumps([_FORMAT, *digests]).encode())[:16]}.npz"
    try:
        tables = read_tables(path)
    except DAMAGED:
        note(f"pkuseg: making tables of its model, once, in some 15 s; they are kept in {folder}")
        # Of a model whose tables are there neither is imported, which takes as long as all else of a start.
        from etm_jax.corpus.words.pkuseg.build import build_tables
        from etm_jax.corpus.words.pkuseg.model import read_model

        tables = build_tables(read_model(files))
        try:
            write_tables(path, tables)
            tables = read_tables(path)
        except UserError as error:
            note(f"the tables could not be kept, so that every start makes them: {error}")
            return tables
    # Tables of a folder that others fill serve all the same; the next start computes the digests again.
    with contextlib.suppress(UserError):
        replace_text(seen, json.dumps({"tables": path.name, "stamp": _stamp(path), "made_from": digests}))
    return tables


def write_tables(path: Path, tables: Tables) -> None:
    """Write tables as an .npz file whose members can be mapped: not compressed, and aligned."""
    with replace_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, values in tables._asdict().items():
            info = zipfile.ZipInfo(f"{name}.npy")
            # A field of the header that is none, as long as it takes for the member to begin at a multiple.
            begin = file.tell() + _LOCAL_HEADER + len(info.filename) + 4
            info.extra = b"\xff\xff" + (-begin % _ALIGNED).to_bytes(2, "little") + bytes(-begin % _ALIGNED)
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, np.asarray(values, order="C"), allow_pickle=False)


def read_tables(path: Path) -> Tables:
    """Map the arrays of a file that `write_tables` wrote. Raises one of `DAMAGED` where it is not one."""
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    arrays = {}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            file.seek(info.header_offset + _LOCAL_HEADER - 4)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            file.seek(name + extra, os.SEEK_CUR)
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("an array of another format")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            if fortran or dtype.hasobject:
                raise ValueError("an array of another kind")
            begin = file.tell()
            end = begin + dtype.itemsize * math.prod(shape)
            if end > len(content):
                raise ValueError("an array that ends too early")
            arrays[info.filename.removesuffix(".npy")] = content[begin:end].view(dtype).reshape(shape)
    if arrays.keys() != set(Tables._fields):
        raise ValueError("other arrays than a model has")
    return Tables(**arrays)


def _seen(path: Path) -> list[Any]:
    return [str(path.absolute()), *_stamp(path)]


def _stamp(path: Path) -> list[int]:
    """By what a file is known to be the one seen before."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
