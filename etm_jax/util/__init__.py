"""What every floor may use: errors, the console, files."""
