"""What a laptop lacks: an emulated cloud, an engine for the Pulumi program, an imitation of the inference engine."""
