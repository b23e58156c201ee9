"""Several targets of one catalog in one run: planned together, approved once, applied at the same time.

``run`` decides when each target starts and what its outcome is. It sends a ``Task`` for each target to a carrier, which
runs it and returns its messages. Both are plain values, so a carrier may be a pool of threads or an engine on other hosts.
``worker`` carries out a task.
"""
