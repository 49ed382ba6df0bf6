"""How long searches take through the Python package: overhead.py BANK TEXT TIMES. Prints milliseconds."""

import sys
import time

from keepsake import Keepsake

bank, text, times = sys.argv[1:]
with Keepsake(bank) as memory:
    # The index is built with the first search.
    assert len(memory.search(text)) == 10
    started = time.perf_counter()
    for _ in range(int(times)):
        memory.search(text)
    print((time.perf_counter() - started) * 1000)
