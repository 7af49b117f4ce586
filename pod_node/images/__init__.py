"""Images: from `image: python` to a compiled module and the files around it.

- `library.py` the entry for the node: `ImageLibrary.prepare(reference) -> CompiledImage`.
- `catalogue.py`, `manifest.py`, `sources.py` what an image is and where its bytes come from.
- `store.py`, `fetch.py` modules by digest, and the ways to the outside.
- `builds.py`, `recipes/` images that are built from source on this machine.
- `compiled.py`, `layers.py` compiled modules, and files with bytecode for guests.
- `parts.py`, `handing.py` what other machines get of it, and how that is made sure of.
- `cache.py` the folder on disk; `errors.py` what can go wrong on the way.
"""

from pod_node.images.builds import BuildStore
from pod_node.images.cache import CacheFolder, cache_root
from pod_node.images.catalogue import absolute_reference, find_image, find_manifest, known_images
from pod_node.images.compiled import CompileCache
from pod_node.images.errors import ImageError
from pod_node.images.handing import PIECE_BYTES, ImageDesk, Offer, sealing_key
from pod_node.images.library import CompiledImage, ImageLibrary
from pod_node.images.manifest import Blueprint, Manifest, Product
from pod_node.images.parts import ImageParts, Part, PartKind, Stock
from pod_node.images.store import ModuleStore

__all__ = [
    "PIECE_BYTES",
    "Blueprint",
    "BuildStore",
    "CacheFolder",
    "CompileCache",
    "CompiledImage",
    "ImageDesk",
    "ImageError",
    "ImageLibrary",
    "ImageParts",
    "Manifest",
    "ModuleStore",
    "Offer",
    "Part",
    "PartKind",
    "Product",
    "Stock",
    "absolute_reference",
    "cache_root",
    "find_image",
    "find_manifest",
    "known_images",
    "sealing_key",
]
