"""CPython 3.13 for WASI, optimised: the recipe of the image `python:3.13`, as data. Pure.

The sources are those of Debian 13. SQLite has the options that the shipped image's has: WASI has no
shared memory and no locks of files, so there is no write-ahead log, and a lock is a folder beside
the database (SQLite's own choice for WASI).
"""

from __future__ import annotations

from pod_node.images.recipes.recipe import Edit, Recipe, Tarball

_EXITS = "the compiler's own pthread.h says that it returns nothing"

CPYTHON = Recipe(
    name="cpython",
    version="3.13",
    zig="0.15.2",
    suite="trixie",
    python=Tarball(
        package="python3.13",
        version="3.13.5",
        suffix="tar.xz",
        sha256="93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
    ),
    zlib=Tarball(
        package="zlib",
        version="1.3.dfsg+really1.3.1",
        suffix="tar.gz",
        sha256="60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
    ),
    bzip2=Tarball(
        package="bzip2",
        version="1.0.8",
        suffix="tar.gz",
        sha256="ab5a03176ee106d3f0fa90e381da478ddae405918153cca248e682cd0c4a2269",
    ),
    sqlite=Tarball(
        package="sqlite3",
        version="3.46.1",
        suffix="tar.xz",
        sha256="d0cdd2ece271b29e7ce18095745d892517ee26d0f270065b3a25c2e9eb11639c",
    ),
    edits=(
        Edit(
            path="Include/cpython/pthread_stubs.h",
            old="PyAPI_FUNC(int) pthread_exit(",
            new="PyAPI_FUNC(void) pthread_exit(",
            why=_EXITS,
        ),
        Edit(
            path="Python/thread_pthread_stubs.h",
            old="int\npthread_exit(",
            new="void\npthread_exit(",
            why=_EXITS,
        ),
    ),
    # All that the engine has by default and the compiler makes use of.
    target=(
        "--target=wasm32-wasi",
        "-mcpu=generic+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals+simd128",
    ),
    optimisation=("-O3", "-DNDEBUG", "-Wno-date-time"),
    # The engine's own stack (1 MB) ends before this one does; the linker puts it below all data.
    linking=("-Wl,-z,stack-size=1048576", "-Wl,--strip-all"),
    configure=(
        "--prefix=/usr",
        "--with-pymalloc",  # off by default for WASI, where it is much faster than malloc
        "--without-ensurepip",
        "--disable-test-modules",
    ),
    # Headers of the compiler declare what its library for WASI does not have; and what Python's
    # list leaves out for other runtimes' sake is in podnet's kernel.
    answers=(
        ("ac_cv_func_preadv", "yes"),
        ("ac_cv_func_pwritev", "yes"),
        ("ac_cv_func_readv", "yes"),
        ("ac_cv_func_writev", "yes"),
        ("ac_cv_func_epoll_create", "no"),
        ("ac_cv_func_gethostbyaddr", "no"),
        ("ac_cv_func_gethostbyname", "no"),
        ("ac_cv_func_gethostbyname_r", "no"),
        ("ac_cv_func_getprotobyname", "no"),
        ("ac_cv_func_getservbyname", "no"),
        ("ac_cv_func_getservbyport", "no"),
        ("ac_cv_func_hstrerror", "no"),
        ("ac_cv_func_mmap", "no"),
        ("ac_cv_func_setgroups", "no"),
        ("ac_cv_func_timerfd_create", "no"),
        ("ac_cv_header_libintl_h", "no"),
        ("ac_cv_header_netdb_h", "no"),
        ("ac_cv_header_sys_mman_h", "no"),
    ),
    sqlite_options=(
        "SQLITE_THREADSAFE=0",
        "SQLITE_MAX_MMAP_SIZE=0",
        "SQLITE_OMIT_LOAD_EXTENSION",
        "SQLITE_OMIT_WAL",
        "SQLITE_ENABLE_FTS3",
        "SQLITE_ENABLE_FTS4",
        "SQLITE_ENABLE_FTS5",
        "SQLITE_ENABLE_GEOPOLY",
        "SQLITE_ENABLE_MATH_FUNCTIONS",
        "SQLITE_ENABLE_PREUPDATE_HOOK",
        "SQLITE_ENABLE_RTREE",
        "SQLITE_ENABLE_SESSION",
    ),
    # What needs a screen, a thread, a process or a C library that a pod has not; tests; and what
    # the interpreter has in C as well.
    left_out=(
        "_aix_support.py",
        "_android_support.py",
        "_apple_support.py",
        "_ios_support.py",
        "_osx_support.py",
        "_pydecimal.py",
        "_pyio.py",
        "antigravity.py",
        "concurrent/futures/thread.py",
        "ctypes",
        "curses",
        "ensurepip",
        "idlelib",
        "multiprocessing",
        "pydoc_data",
        "ssl.py",
        "test",
        "tkinter",
        "turtle.py",
        "turtledemo",
        "venv",
        "webbrowser.py",
    ),
    first=("encodings/__init__", "encodings/aliases", "encodings/utf_8"),
    source_date_s=1_749_600_000,
    procedure=1,
)
