"""Runs on a host, by its own Python: holds the lock there for as long as the operator's end is heard.

The kernel frees the lock when this process ends, however it ends. Where the operator's end is lost in the middle of
work, what is under way is given a while to end, and what it changed is noted: what others change after that is theirs.
Meanwhile the lock is held by nobody.
"""

import fcntl
import os
import select
import subprocess
import sys
import time

PATH, WHO, STATE_SCRIPT = sys.argv[1:4]
SILENCE_S, SETTLE_S = map(float, sys.argv[4:6])
GOODBYE = b"q"

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
heard = b"."
while heard and not heard.endswith(GOODBYE):
    heard = os.read(0, 4096) if select.select([0], [], [], SILENCE_S)[0] else b""
os.ftruncate(lock, 0)
if not heard:
    time.sleep(SETTLE_S)
    subprocess.run(["/bin/sh", "-s", "note"], input=STATE_SCRIPT, text=True, stdout=subprocess.DEVNULL, check=False)
