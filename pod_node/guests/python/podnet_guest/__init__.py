"""The guest's side of podnet for CPython: what `sitecustomize` installs, loaded when it is needed.

- `linux.py`         the numbers of Linux for the constants of `socket`
- `control.py`       transactions over `/net/ctl`, and a socket's id
- `options.py`       socket options by level and name
- `names.py`         host, service and interface names
- `socket_type.py`   `_socket.socket`: a stream over a file of `/net`
- `socket_module.py` the module `_socket` itself
- `thread_pool.py`   `concurrent.futures.thread`, which the build leaves out
- `adjustments.py`   the few changes to the standard library that a build without threads needs
- `fast_http.py`     faster ways to the same results for `http`
"""
