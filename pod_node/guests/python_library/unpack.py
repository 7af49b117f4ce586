"""Unpack the interpreter's own library beside this file, with what makes it quick to find.

Run once for an image, by the image's own interpreter, on a writable folder that later guests see
read only. Listing a folder is slow through WASI, so guests do not: `index` (marshalled) says which
modules there are, by path without ending, and whether each is a package; and `start` has the one
package that the interpreter needs before any code of ours can run, in a folder of few files.
"""

import marshal
import os
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ENDING = ".pyc"
PACKAGE = "/__init__"
START = ("encodings/__init__.pyc", "encodings/aliases.pyc", "encodings/utf_8.pyc")


def main() -> None:
    """Unpack the one archive on the search path."""
    (archive,) = [entry for entry in sys.path if entry.endswith(".zip")]
    index: dict[str, bool] = {}
    with zipfile.ZipFile(archive) as library:
        library.extractall(HERE)
        library.extractall(os.path.join(HERE, "start"), START)
        for name in library.namelist():
            stem = name.removesuffix(ENDING)
            if stem != name:
                index[stem.removesuffix(PACKAGE)] = stem.endswith(PACKAGE)
    with open(os.path.join(HERE, "index"), "wb") as file:
        marshal.dump(index, file)
    os.remove(os.path.join(HERE, "unpack.py"))


main()
