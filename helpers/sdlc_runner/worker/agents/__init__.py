"""The side with the model key and the work tree: which agents there are, and when one must end."""
