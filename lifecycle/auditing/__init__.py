"""`audit`: what a running stack is made of, read as it is now and brought to the shapes that the rules judge."""
