"""From a plan to running pods: which step comes next, as one state machine without I/O.

- `deployment.py`: the machine: an event goes in, commands come out
- `events.py`: what goes in, and what comes out
- `entries.py`: the values that it holds of each pod; `pods.py`: all of them, and what follows from
  each change
- `lives.py`: how a pod's life begins and ends, and what comes after
- `adoption.py`: pods that were there before the machine was
- `dependencies.py`: whether the conditions of `depends_on` hold, and who waits for that
- `images.py`: which images are ready
- `rollouts.py`: the updates that are under way; `rollout.py`: one of them
- `restart.py`: the back-off between restarts
"""
