"""What a browser shows, tested in a browser."""
