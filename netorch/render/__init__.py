"""Values to words, pictures, scripts and files."""
