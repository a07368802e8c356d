"""Runs on a host, by its own Python: holds the lock there for as long as the operator's end is heard.

The kernel frees the lock when this process ends, however it ends: at the end of the SSH session, when nothing is heard
for too long, or with the host.
"""

import fcntl
import os
import select
import sys

PATH, WHO, SILENCE_S = sys.argv[1], sys.argv[2], float(sys.argv[3])

os.umask(0o077)
lock = os.open(PATH, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.stdout.write("taken " + os.pread(lock, 4096, 0).decode(errors="replace") + "\n")
    sys.exit(1)
os.ftruncate(lock, 0)
os.pwrite(lock, WHO.encode(), 0)
sys.stdout.write("held\n")
sys.stdout.flush()
while select.select([0], [], [], SILENCE_S)[0] and os.read(0, 4096):
    pass
os.ftruncate(lock, 0)
