"""`pysyscall bench pairs` from a checkout. The list of pairs is `pysyscall/bench/pairs.py`."""

import sys

from pysyscall.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["bench", "pairs", *sys.argv[1:]]))
