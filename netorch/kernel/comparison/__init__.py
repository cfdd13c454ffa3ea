"""The last comparison in which a topology was in sync, and whether the machine is still as it was.

What a comparison finds depends only on the file, the records and what the kernel answers. So if all
of them are the same as in a comparison that found no difference, the next one would not find any
either. `store` writes down the digests of a comparison, `repeat` asks the same questions again and
compares the digests of the answers, and `answers` has what both of them do. Nothing is decoded,
observed or planned in between, so that this takes a fraction of the time of a comparison.

If anything is different, or unusual, the usual comparison follows.
"""
