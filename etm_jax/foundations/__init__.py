"""What topic models build on: the variational auto-encoder of the report, and documents simulated from known topics."""
