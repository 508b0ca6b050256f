"""A busy neighbour: one loop on the core in argv[1], for at most argv[2] seconds, and never longer than its parent."""

import os
import sys
import time

os.sched_setaffinity(0, {int(sys.argv[1])})
parent = os.getppid()
end = time.monotonic() + float(sys.argv[2])
print('{"ready": true}', flush=True)
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(100_000):
        pass
