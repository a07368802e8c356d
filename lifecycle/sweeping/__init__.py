"""Looking through a whole account for what is a stack's, kind by kind, and deleting it: the net below the state."""
