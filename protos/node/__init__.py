"""Contracts spoken by the pod node process."""
