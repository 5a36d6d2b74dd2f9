"""Every setting of a run, what the published variants set otherwise, and how settings are put together."""
