"""Unpack the interpreter's own library beside this file, and leave nothing else there.

Run once for an image, by the image's own interpreter, on a writable folder that later guests see
read only.
"""

import os
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Unpack the one archive on the search path."""
    (archive,) = [entry for entry in sys.path if entry.endswith(".zip")]
    with zipfile.ZipFile(archive) as library:
        library.extractall(HERE)
    os.remove(os.path.join(HERE, "unpack.py"))


main()
