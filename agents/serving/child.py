"""Runs a module as the server's process, tied to the life of the process that started it.

This file alone is run by the server's own interpreter, where the application is not installed: it
imports nothing but the standard library. Arguments: the parent's process id, the module's name,
and the module's own arguments.
"""

import ctypes
import os
import runpy
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def main() -> None:
    """Ask the system for a signal at the parent's death, where it can; then become the module."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request
            sys.exit(1)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
