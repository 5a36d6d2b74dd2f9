#!/usr/bin/env bash
# An unfinished ArrayRecord file opens as one with no records.
#
# Expected: ArrayRecordReader raises on a file that its writer did not finish.
#
# What happens: the record index stands at the end of the file, and when it is
# missing or damaged the constructor raises nothing: num_records() is 0. The usual
# loop over range(reader.num_records()) then runs zero times, and a corpus of 2000
# documents is read as an empty one. It is so for a file whose writer is not
# closed yet and for one that lacks its last byte (a copy that was cut short); only
# reader.ok() is False, and an error comes when a record is asked for by number.
#
# Seen with array-record 0.8.6.
#
# What to do: check reader.ok() right after opening, compare num_records() with
# the number that you wrote down when writing, and write to a temporary name that
# is renamed after close().
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 array-record==0.8.6

cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

print("array-record", version("array-record"))


def look(path):
    reader = ArrayRecordReader(path)
    seen = sum(1 for _ in range(reader.num_records()))
    print(f"{path}: ok {reader.ok()}, num_records {reader.num_records()}, records seen by a loop {seen}")
    return reader, seen


writer = ArrayRecordWriter("whole.array_record", "group_size:1")
for number in range(2000):
    writer.write(b"document %06d " % number * 12)
reader, seen = look("whole.array_record")
assert not reader.ok() and seen == 0, "an open file is refused now"
writer.close()
assert look("whole.array_record")[1] == 2000

with open("whole.array_record", "rb") as whole, open("cut.array_record", "wb") as cut:
    cut.write(whole.read()[:-1])
reader, seen = look("cut.array_record")
assert not reader.ok() and seen == 0, "a cut file is refused now"
try:
    reader.read([0])
except RuntimeError as error:
    print("asked for record 0:", str(error)[:70], "...")
else:
    raise AssertionError("a record of the cut file could be read")
print("As described: unfinished files look empty")
PY
