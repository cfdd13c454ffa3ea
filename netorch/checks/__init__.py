"""What a file says of who reaches whom, tried by packets."""
