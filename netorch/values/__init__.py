"""Plain data that the kernel room and the others exchange. Imports no other room but errors."""
