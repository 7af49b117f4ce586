"""A running deployment as those see it who look at it from outside. All pure.

- `deployment.py` what runs; `phases.py` where a pod is; `progress.py` how a request gets on.
- `verdicts.py` who may connect to whom; `metrics.py` numbers for Prometheus; `moments.py` times.
"""
