"""What a CPython guest gets before its program: sockets over `/net`, served when first imported.

Owns the import hook, the working folder and the buffering of standard output, and nothing else,
because every guest pays for this module at its start: all imports here are of modules that the
interpreter has loaded already.
Two modules of the standard library are replaced (`OURS`), and a few are adjusted after their own
code has run (`podnet_guest.adjustments`). A `sitecustomize` of the user further down `sys.path`
still runs.
"""

import _thread
import os
import sys
import time
from _frozen_importlib import BuiltinImporter, module_from_spec
from _frozen_importlib_external import (
    BYTECODE_SUFFIXES,
    MAGIC_NUMBER,
    SOURCE_SUFFIXES,
    FileFinder,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
    spec_from_file_location,
)
from marshal import loads
from posix import O_RDONLY, O_RDWR, _exit, chdir, close, environ, read, stat, write
from posix import open as open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import NoReturn

HERE = __file__.rpartition("/")[0]
LIBRARY = f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
"""The interpreter's library, unpacked by the image store; see the image's manifest."""
PACKAGES = f"{LIBRARY}/site-packages"
"""Where installers put what the pod shall have in addition."""
LAYERS = "/proc/layers"
S_IFMT, S_IFDIR = 0o170000, 0o040000
START = f"{LIBRARY}/start"
"""What the interpreter imports before this module; only for that."""
PACKAGE = "podnet_guest"
NO_THREADS = (
    "can't start new thread: this Python is a WebAssembly build without threads; use asyncio, "
    "a socketserver without ThreadingMixIn, or more replicas of the service"
)
OURS = {
    "_posixsubprocess": f"{PACKAGE}/posix_subprocess",
    "_socket": f"{PACKAGE}/socket_module",
    "concurrent.futures.thread": f"{PACKAGE}/thread_pool",
    PACKAGE: f"{PACKAGE}/__init__",
}
BUILT_IN = frozenset({"select"})
ADJUSTED = BUILT_IN | {
    "asyncio.base_events",
    "http.client",
    "http.server",
    "selectors",
    "signal",
    "socketserver",
    "subprocess",
    "tempfile",
}
PROCESS_CALLS = frozenset(
    {
        "WCONTINUED",
        "WCOREDUMP",
        "WEXITSTATUS",
        "WIFCONTINUED",
        "WIFEXITED",
        "WIFSIGNALED",
        "WIFSTOPPED",
        "WNOHANG",
        "WSTOPSIG",
        "WTERMSIG",
        "WUNTRACED",
        "get_terminal_size",
        "getppid",
        "kill",
        "pidfd_open",
        "pipe",
        "wait",
        "waitpid",
        "waitstatus_to_exitcode",
    }
)
EXECUTABLE = "/usr/bin/python3"
"""Where no file is: a pod's programs are those of its image, by their names."""
BYTECODE_LIMIT = 256 * 1024
BYTECODE_HEADER = 16
ERRORS = 2
CANNOT_START = 126
"""As a shell has it for a program that is there and cannot be run."""
UNCHECKED = b"\1\0\0\0"
"""Flags of bytecode that is trusted without a look at its source (PEP 552)."""


class GuestFinder:
    """Finds the modules that are ours, and those of the standard library that are adjusted."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Answer for our names only; everything else goes to the next finder."""
        if name in OURS:
            return find_ours(name, OURS[name])
        if name.startswith(f"{PACKAGE}."):
            return find_ours(name, name.replace(".", "/"))
        if name not in ADJUSTED:
            return None
        finder = BuiltinImporter if name in BUILT_IN else PathFinder
        spec = finder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = AdjustingLoader(spec.loader)  # type: ignore[assignment]  # no ABC here
        return spec


def find_ours(name: str, stem: str) -> "ModuleSpec | None":
    """Find one of our modules, without the searching that an import usually does."""
    source = f"{HERE}/{stem}.py"
    folders = [f"{HERE}/{PACKAGE}"] if name == PACKAGE else None
    code = read_bytecode(stem)
    if code is None:
        return spec_from_file_location(name, source, submodule_search_locations=folders)
    loader = BytecodeLoader(code)
    return spec_from_file_location(
        name,
        source,
        loader=loader,  # type: ignore[arg-type]  # no ABC here
        submodule_search_locations=folders,
    )


def read_bytecode(stem: str) -> "CodeType | None":
    """Return a module's bytecode if it is of the trusted kind: three calls instead of ten."""
    folder, _, module = stem.rpartition("/")
    cached = f"{HERE}/{folder}/__pycache__/{module}.{sys.implementation.cache_tag}.pyc"
    try:
        descriptor = open_file(cached, O_RDONLY)
    except OSError:
        return None
    content = read(descriptor, BYTECODE_LIMIT)
    close(descriptor)
    if content[:8] != MAGIC_NUMBER + UNCHECKED or len(content) == BYTECODE_LIMIT:
        return None
    code: CodeType = loads(content[BYTECODE_HEADER:])
    return code


class BytecodeLoader:
    """Runs a module whose code is at hand."""

    def __init__(self, code: "CodeType") -> None:
        self._code = code

    def get_code(self, name: str) -> "CodeType":
        """Return the code, for `python -m`."""
        return self._code

    def create_module(self, spec: "ModuleSpec") -> None:
        """Leave the making of the module to the interpreter."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module."""
        exec(self._code, vars(module))


class AdjustingLoader:
    """Runs a module as its own loader does, then adjusts it."""

    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)  # `python -m` asks for code, `inspect` for source

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        """Leave the choice to the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: "ModuleType") -> None:
        """Give the module back its own loader, run it, and adjust it."""
        assert module.__spec__ is not None, "it was found by a spec"
        module.__loader__ = module.__spec__.loader = self._loader
        from podnet_guest.adjustments import adjust, run_adjusted

        run_adjusted(module, self._loader)
        adjust(module)


def refuse_thread(*_arguments: object, **_named: object) -> "NoReturn":
    """Say why no thread starts; stands for each function of `_thread` that starts one."""
    raise RuntimeError(NO_THREADS)


def find_in_os(name: str) -> object:
    """Give `os` its calls for processes when the first of them is asked for."""
    if name not in PROCESS_CALLS:
        raise AttributeError(f"module 'os' has no attribute {name!r}")
    from podnet_guest.processes import install

    install()
    return getattr(os, name)


def getpid() -> int:
    """Return the number of this process in its pod."""
    find_in_os("getppid")  # which puts the real one in place
    return os.getpid()


def read_file(path: str) -> bytes:
    """Return a file's content: three calls instead of ten."""
    descriptor = open_file(path, O_RDONLY)
    try:
        content = b""
        while chunk := read(descriptor, BYTECODE_LIMIT):
            content += chunk
        return content
    finally:
        close(descriptor)


class LibraryLoader(SourcelessFileLoader):
    """Loads a module of the unpacked library."""

    def get_data(self, path: str) -> bytes:
        """Return a file's content."""
        return read_file(path)


def library_is_changed() -> bool:
    """Whether this pod has put something over the library, or has removed something of it."""
    try:
        return f"{LIBRARY} changed\n".encode() in read_file(LAYERS)
    except FileNotFoundError:
        return False  # in no pod


class LibraryFinder:
    """Finds modules in one folder of the unpacked library, by its index while that is right."""

    def __init__(self, index: "dict[str, bool]", folder: str) -> None:
        if folder != LIBRARY and not folder.startswith(f"{LIBRARY}/"):
            raise ImportError("not a folder of the library")
        self._index = index
        self._folder = folder
        self._finder: FileFinder | None = None

    def invalidate_caches(self) -> None:
        """Look at the folder anew, if it is looked at."""
        self._finder = None

    def find_spec(self, name: str, target: "ModuleType | None" = None) -> "ModuleSpec | None":
        """Find a module, without listing the folder of a library as it was."""
        if library_is_changed():
            if self._finder is None:
                self._finder = FileFinder(
                    self._folder,
                    (SourceFileLoader, SOURCE_SUFFIXES),
                    (SourcelessFileLoader, BYTECODE_SUFFIXES),
                )
            return self._finder.find_spec(name, target)
        stem = f"{self._folder}/{name.rpartition('.')[2]}"
        package = self._index.get(stem[len(LIBRARY) + 1 :])
        if package is None:
            return None
        path = f"{stem}/__init__.pyc" if package else f"{stem}.pyc"
        return spec_from_file_location(
            name,
            path,
            loader=LibraryLoader(name, path),
            submodule_search_locations=[stem] if package else None,
        )


def is_folder(path: str) -> bool:
    """Whether there is such a folder."""
    try:
        return stat(path).st_mode & S_IFMT == S_IFDIR
    except OSError:
        return False


def settle_library() -> list[str]:
    """Put the unpacked library where the interpreter looks for its own; return the user's folders.

    It comes first on `PYTHONPATH`, so that no start reads the archive, but folders of the user go
    before a library everywhere else.
    """
    ours, builtin = (HERE, START, LIBRARY), f"{sys.prefix}/lib/python"
    inherited = [e for e in sys.path if e.startswith(builtin) and e not in ours]
    users = [entry for entry in sys.path if entry not in (*ours, *inherited)]
    if LIBRARY in sys.path:
        index = loads(read_file(f"{LIBRARY}/index"))
        sys.path_hooks.insert(0, lambda folder: LibraryFinder(index, folder))
        sys.path_importer_cache.pop(LIBRARY, None)
        sys.modules["encodings"].__path__.append(f"{LIBRARY}/encodings")
        inherited = [entry for entry in inherited if not entry.endswith(".zip")]
        sys.path[:] = [HERE, *users, LIBRARY, *inherited]
        if library_is_changed() and is_folder(PACKAGES):
            sys.path.append(PACKAGES)
    return users


def run_next_sitecustomize(folders: list[str]) -> None:
    """Run the `sitecustomize` that the interpreter would have found without this one."""
    spec = PathFinder.find_spec("sitecustomize", folders) if folders else None
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def enter_working_folder() -> None:
    """Go where the topology says, or end the pod: WASI starts every program in `/`."""
    folder = environ.get(b"PWD", b"/")
    if folder == b"/":
        return
    try:
        chdir(folder)
    except OSError as error:
        name, reason = folder.decode(errors="replace"), error.strerror
        message = f'cannot start in working_dir "{name}": {reason}; is it on a volume of the pod?\n'
        write(ERRORS, message.encode())
        _exit(CANNOT_START)


def sleep(secs: float, /) -> None:
    """Delay execution for a given number of seconds; handlers of signals run meanwhile."""
    from podnet_guest import signals

    signals.install()
    signals.sleep(secs)


def begin_as_process() -> None:
    """Take from the kernel what a process begins with, beside what the interpreter knows."""
    try:
        control = open_file("/proc/ctl", O_RDWR)
    except FileNotFoundError:
        return  # in no pod: an image's own steps run without a kernel
    write(control, b"catch 4 0")  # interrupts are to be a KeyboardInterrupt
    inherited = []
    while write(control, b"inherited") and (number := read(control, 16)):
        inherited.append(int(number))
    close(control)
    if inherited:
        from podnet_guest.inherited import settle

        settle(inherited)


sys.meta_path.insert(0, GuestFinder)
os.getpid = getpid
vars(os)["__getattr__"] = find_in_os
if not sys.executable:
    sys.executable = EXECUTABLE
_thread.start_new_thread = _thread.start_new = refuse_thread
if hasattr(_thread, "start_joinable_thread"):  # what `threading` calls since 3.13
    _thread.start_joinable_thread = refuse_thread
if sys.stdout is not None:  # a log shows lines as they come, and a killed pod keeps what it said
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper
users = settle_library()
if sys.stdin is not None and sys.stdin.isatty():
    from podnet_guest import keyboard

    keyboard.install()
begin_as_process()
vars(sleep)["c_sleep"] = time.sleep
vars(time)["sleep"] = sleep
run_next_sitecustomize(users)
enter_working_folder()
