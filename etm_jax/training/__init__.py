"""From the first step to the last: batches, steps, the loop, checkpoints."""
