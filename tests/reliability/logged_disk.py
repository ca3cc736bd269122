#!/usr/bin/env python3
"""A file whose writes and flushes are recorded in order: what a disk is told. A FUSE server with just the calls that a loop device
makes, so that a file system in the file needs no special device.

    logged_disk.py FUSE IMAGE LOG     serves IMAGE over the open /dev/fuse FUSE, and appends each write and flush to the file LOG

Protocol: include/uapi/linux/fuse.h.
"""
import contextlib
import ctypes
import errno
import os
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

GETATTR, SETATTR, OPEN, READ, WRITE, RELEASE, FSYNC, FLUSH, INIT, DESTROY = 3, 4, 14, 15, 16, 18, 20, 25, 26, 38
# These get no answer: FORGET, INTERRUPT, BATCH_FORGET.
UNANSWERED = {2, 36, 42}
DIRECT_IO = 1
MAX_WRITE = 1 << 20
IN, OUT, RECORD = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ"), struct.Struct("<qI")
# The offset of a flush in the log.
IS_FLUSH = -1


def serve(fuse, image, log):
    """Answers one request after the other: a write is in the log before its caller goes on."""
    size = os.fstat(image).st_size
    attributes = struct.pack("<QII6Q10I", 0, 0, 0, 1, size, size // 512, 0, 0, 0, 0, 0, 0, stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)

    def answer(call, body):
        if call == INIT:
            asynchronous_read, big_writes, max_pages = 1, 1 << 5, 1 << 22
            return struct.pack("<4I2H2I2H8I", 7, 31, 0, asynchronous_read | big_writes | max_pages, 64, 48, MAX_WRITE, 1, MAX_WRITE >> 12, *[0] * 9)
        if call in (GETATTR, SETATTR):
            return attributes
        if call == OPEN:
            return struct.pack("<QII", 0, DIRECT_IO, 0)
        if call == READ:
            _, offset, length = struct.unpack_from("<QQI", body)
            return os.pread(image, length, offset)
        if call == WRITE:
            _, offset, length = struct.unpack_from("<QQI", body)
            data = body[40:40 + length]
            os.pwrite(image, data, offset)
            os.write(log, RECORD.pack(offset, length) + data)
            return struct.pack("<II", length, 0)
        if call == FSYNC:
            os.write(log, RECORD.pack(IS_FLUSH, 0))
            return b""
        if call in (RELEASE, FLUSH, DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "")

    while True:
        try:
            request = os.read(fuse, MAX_WRITE + 4096)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue
            raise
        _, call, unique = IN.unpack_from(request)[:3]
        if call in UNANSWERED:
            continue
        try:
            code, body = 0, answer(call, request[IN.size:])
        except OSError as error:
            code, body = -error.errno, b""
        os.write(fuse, OUT.pack(OUT.size + len(body), code, unique) + body)


class LoggedDisk:
    """The file `path`, of this length, with the bytes of the file `image`. `log` has what is written."""

    def __init__(self, folder, size):
        self.path, self.image, self.log_path = folder / "disk", folder / "disk.image", folder / "disk.log"
        for path in (self.path, self.image, self.log_path):
            path.touch()
        os.truncate(self.image, size)
        fuse = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={fuse},rootmode={stat.S_IFREG:o},user_id=0,group_id=0,max_read={MAX_WRITE}"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"fuse", os.fsencode(self.path), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "cannot mount FUSE")
        command = [sys.executable, "-B", __file__, str(fuse), str(self.image), str(self.log_path)]
        self.server = subprocess.Popen(command, pass_fds=[fuse])
        os.close(fuse)

    def take_log(self, keep=False):
        """What was written since the last call: (offset, bytes), or None for a flush. The next call returns it again if it is kept."""
        data, at, entries = self.log_path.read_bytes(), 0, []
        while at < len(data):
            offset, length = RECORD.unpack_from(data, at)
            at += RECORD.size + length
            entries.append(None if offset == IS_FLUSH else (offset, data[at - length:at]))
        if not keep:
            os.truncate(self.log_path, 0)
        return entries

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(self.path)], check=True)
        self.server.kill()
        self.server.wait()


def main():
    # The server keeps mounts alive: it ends with the test.
    end_with_parent = 1
    ctypes.CDLL(None).prctl(end_with_parent, signal.SIGKILL)
    fuse, image, log = sys.argv[1:]
    serve(int(fuse), os.open(image, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_APPEND))


if __name__ == "__main__":
    main()
