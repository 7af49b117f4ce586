"""Files that belong to pods: their roots and tmpfs on this machine, and ways in from outside.

`values.py` says what a pod has, `beneath.py` touches files below a folder and nowhere else,
`roots.py` makes and removes what a pod writes to.
"""

from pod_node.files.errors import DiskFullError, FolderError
from pod_node.files.roots import Roots, remove_roots
from pod_node.files.values import DiskBook, DiskFolder, DiskUsage, PodFolders

__all__ = [
    "DiskBook",
    "DiskFolder",
    "DiskFullError",
    "DiskUsage",
    "FolderError",
    "PodFolders",
    "Roots",
    "remove_roots",
]
