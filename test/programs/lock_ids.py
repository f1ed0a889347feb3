"""Holds a lock of the kernel on every byte of the memory that is descriptor 3, and all beyond its end, for which
a descriptor to read is enough; those of the bytes are what participants of a Mutex are known by.

    lock_ids.py         says so, and waits to be killed
"""
import fcntl
import os
import signal
import struct

fd = os.open('/proc/self/fd/3', os.O_RDONLY)
lock = struct.pack('hh4xqqi4x', fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
fcntl.fcntl(fd, getattr(fcntl, 'F_OFD_SETLK', 37), lock)
print('locked', flush=True)
signal.pause()
