"""Typed calls that need more than one system call, or logic around it, an area a module."""
