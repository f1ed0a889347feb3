"""Shared memory from Python's side, with nothing but its standard library.

    peer.py MEMORY CELL VALUE COUNT     a plain store, then the first COUNT cells are printed, as JSON

MEMORY is a descriptor that was inherited, or a name in /dev/shm. Does what `sync_peer cells` does in C,
without the atomic additions, which Python has not.
"""
import json
import mmap
import os
import sys

where, cell, value, count = sys.argv[1], *map(int, sys.argv[2:])
fd = int(where) if where.isdigit() else os.open('/dev/shm/' + where, os.O_RDWR)
memory = mmap.mmap(fd, os.fstat(fd).st_size)
cells = memoryview(memory).cast('i')
cells[cell] = value
print(json.dumps(cells[:count].tolist()))
