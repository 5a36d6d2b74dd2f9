"""The topic models: one file a model, and the parts that they share."""
