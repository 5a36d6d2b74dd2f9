"""What topic models build on: the variational auto-encoder of the report, and documents drawn from known topics."""
