"""Benchmarks: `pysyscall bench pairs|layers|curve|threads`, also `benchmarks/instructions.py`."""
