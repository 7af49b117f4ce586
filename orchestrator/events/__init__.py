"""What happens to a deployment, told to whoever listens.

- `log.py` numbers, keeps and hands out events; `tallies.py` counts them.
- `happenings.py` their words for programs, `wording.py` those for people.
"""
