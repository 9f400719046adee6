"""What is measured, and the scripts that print it."""
