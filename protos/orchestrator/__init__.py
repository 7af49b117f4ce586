"""Contracts spoken by the orchestrator."""
