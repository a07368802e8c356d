"""`exposure`: the proof over what is planned, and over what the account has."""
