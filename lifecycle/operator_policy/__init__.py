"""`iam-policy`: what the person or role that runs the toolkit needs to be allowed, and no more."""
