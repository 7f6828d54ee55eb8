"""Benchmarks: `pysyscall bench pairs|layers|curve|threads|batch`; `benchmarks/instructions.py`."""
