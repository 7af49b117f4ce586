"""The pod node: one operating-system process that runs the pods of one deployment.

- `spec.py` what a pod is; `errors.py` what can go wrong.
- `kernel/` the C face that a guest sees; `engine/` wasmtime: linking and boot.
- `images/` where guest modules come from, and their compiled forms.
- `guests/` what is mounted into guests: the Python socket library, the C header.
- `node.py`, `service.py`, `codec.py` the pods table and its gRPC contract.
"""
