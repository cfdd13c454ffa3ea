"""The file against the kernel, and the way there and back: compare, refuse, carry out, verify, roll back."""
