"""Version 1 of what a running deployment offers; see `orchestrator.proto`."""
