"""``python -m retrieval``."""

import os
import sys
from pathlib import Path

for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
    if getattr(sys, name) is None:  # the shell has closed it: the next file would get its number
        setattr(sys, name, Path(os.devnull).open(mode))

try:
    from retrieval.cli import STOPPED, main
    from retrieval.runtime import working
except KeyboardInterrupt:
    sys.exit(130)  # nothing has begun

code = main(sys.argv[1:])
if code == STOPPED:  # the end of the interpreter would wait for threads that still embed
    try:
        working.clear()
    finally:  # whoever presses Ctrl-C again is heard
        os._exit(code)
sys.exit(code)
