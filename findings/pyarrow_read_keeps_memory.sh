#!/usr/bin/env bash
# pyarrow 26.0.1: a read() that fails never gives back the memory it has made room for.
#
# NativeFile.read makes a bytes object of the size that is asked for before it reads. Where reading
# then raises, as when a storage breaks off half-way, nothing frees that object. read_buffer() of the
# same stream takes its memory elsewhere and gives it back.
#
# Seen, 200 times a zstd stream of 1 MB whose file raises OSError after half of its bytes:
#   read_buffer: 0 MB more; read: about 100 MB more, which is what had been unpacked so far
# The same with 25.0.1. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
cat > "$folder/reads.py" <<'PYTHON'
import io
import os
import random

import pyarrow as pa

SIZE = 1 << 20
packed = pa.compress(random.Random(1).randbytes(SIZE), "zstd", asbytes=True)


class Breaking(io.BytesIO):
    def read(self, size=-1):
        if self.tell() >= len(packed) // 2:
            raise OSError("the connection is gone")
        return super().read(min(size, 1 << 14))


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def grown(name):
    for number in range(300):
        if number == 100:
            before = resident_mb()
        stream = pa.CompressedInputStream(pa.PythonFile(Breaking(packed), mode="r"), "zstd")
        try:
            getattr(stream, name)(SIZE)
        except OSError as error:
            assert "the connection is gone" in str(error)
        else:
            raise AssertionError("nothing was raised")
    more = resident_mb() - before
    print(f"{name}: {more} MB more")
    return more


assert grown("read_buffer") < 10
assert grown("read") > 20
PYTHON
"$folder/venv/bin/python" "$folder/reads.py"
