"""SSH to nodes that no network reaches, through an EC2 Instance Connect Endpoint: one way for all who use it."""
