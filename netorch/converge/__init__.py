"""Compare the file with the kernel, refuse what cannot be done, carry out the rest, verify it."""
