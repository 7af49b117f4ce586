"""The shell around `lifecycle/`: keeps one deployment as it is planned, through the lives of nodes.

- `launch.py`: drives the state machine: events in, commands out, and another plan's way to both
- `node_loss.py`: why a node does not answer any more
- `tasks.py`: the tasks of one node's life, whose errors become events
- `pod_calls.py`: what is asked of a node about images and pods, and what comes of it
- `fixtures.py`: what a node has beside pods: networks and portals
- `news.py`: what a node tells by itself: events, and the lines that pods write
- `order.py`: a plan as a launch takes it; `companion.py`: who else has a part in a deployment
"""
