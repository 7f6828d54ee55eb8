"""What comes out of a System V message queue."""

from typing import NamedTuple


class Msgbuf(NamedTuple):
    """A message as `msgrcv` gives it and `msgsnd` takes it."""

    mtype: int
    """A number above 0, by which `msgrcv` can choose."""
    mtext: bytes
