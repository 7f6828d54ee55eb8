"""The facts about the x86-64 system calls, and the programs that read and write them."""
