"""What is declared of a deployment, and the steps that lead to it. All pure.

- `declaration.py` what somebody declared, as it is kept.
- `plan.py` everything that has to exist for a topology; `names.py` under which names.
- `planning.py` from a declaration and what there is to a plan and its steps: `reconcile.py` finds
  them, `steps.py` has the words for them, `settings.py` those that concern no pod.
"""
