"""The wire contracts between podnet's processes, and the modules generated from them.

`node/v1/node.proto` is the contract of the pod node process. Generated modules (`*_pb2*`) are build
products.
"""
