"""One handler per resource type: what the provider would do, with boto3 against the emulated account."""
