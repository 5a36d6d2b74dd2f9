"""What a command line is made of: flags from the settings, the command `etm-jax`, one run from flags to results."""
