"""Calls whose arguments depend on one another, or become registers in Python: how they are made.

A module for each area; all other calls' cases follow from the table, see `samples.py`.
"""

from register_cases import filesystems, memory, processes, security, xattrs
from register_cases.registry import CASES

__all__ = ["CASES", "filesystems", "memory", "processes", "security", "xattrs"]
