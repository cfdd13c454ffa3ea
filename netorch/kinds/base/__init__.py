"""What several kinds of kernel objects share."""
