"""The orchestrator of one deployment: what is declared, kept, made real and kept real.

- `orchestrator.py`: its life, from the first declaration to the end of everything
- `requests.py`: what can be asked of it, each with a stream of progress
- `declared.py`: what is declared, kept and made real, one declaration after the other
- `following.py`: what happens, passed on to all whom it concerns, and what follows from it
- `milestones.py`: whether what was declared last has started, and settled
- `restart_memory.py`: what outlives us of the back-off between restarts
- `errors.py`: what goes wrong with a deployment as a whole

The network and single pods are `control.py`'s. Who asks, and who watches, is not known here.
"""
