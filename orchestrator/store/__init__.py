"""What outlives every process of a deployment: its folder and its database.

- `state.py` the folder and its lock.
- `store.py` the database and its versions; `store_rows.py` what is in its rows.
"""
