"""Topic proportions of documents under a trained model."""
