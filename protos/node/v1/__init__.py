"""Version 1 of the pod node contract; see `node.proto`."""
