"""What the runner knows of Kubernetes: the door to its API, its objects, and what they mean."""
