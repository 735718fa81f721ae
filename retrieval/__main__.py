"""``python -m retrieval``."""

import os
import sys

from retrieval.cli import STOPPED, main

code = main(sys.argv[1:])
if code == STOPPED:  # the end of the interpreter would wait for threads that still embed
    os._exit(code)
sys.exit(code)
