"""Contracts about the virtual network."""
