"""What `python -m tables generate` makes of the table for Python. Nothing here is edited by hand."""
