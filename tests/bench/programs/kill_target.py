"""A program to be killed: `kill_target.py spin|block|flood`."""

import os
import sys
import time


def main() -> None:
    """Say that it is there, then go on for ever the way that the first argument names."""
    sys.stdout.write("here\n")
    sys.stdout.flush()
    match sys.argv[1]:
        case "spin":
            while True:
                pass
        case "block":
            time.sleep(3600)
        case "flood":
            while True:
                os.write(1, b"x" * 65536)


main()
