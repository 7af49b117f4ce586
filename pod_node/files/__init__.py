"""Files that belong to pods: their roots and tmpfs on this machine, and ways in from outside.

`values.py` says what a pod has, `beneath.py` touches files below a folder and nowhere else,
`roots.py` makes and removes what a pod writes to, `lock_folders.py` removes
locks that nobody holds, `layers.py` says what lies below that, `tree.py`
goes through all that a pod sees, `archive.py` turns it into tar streams and back, `copying.py`
carries those.
"""

from pod_node.files.archive import Book, Copied
from pod_node.files.copying import copy_in, copy_out, remove_paths
from pod_node.files.errors import CopyError, DiskFullError, FolderError
from pod_node.files.layers import lower_layers
from pod_node.files.lock_folders import clear_lock_folders
from pod_node.files.roots import Roots, remove_roots
from pod_node.files.tree import PodTree
from pod_node.files.values import DiskBook, DiskFolder, DiskUsage, PodFolders

__all__ = [
    "Book",
    "Copied",
    "CopyError",
    "DiskBook",
    "DiskFolder",
    "DiskFullError",
    "DiskUsage",
    "FolderError",
    "PodFolders",
    "PodTree",
    "Roots",
    "clear_lock_folders",
    "copy_in",
    "copy_out",
    "lower_layers",
    "remove_paths",
    "remove_roots",
]
