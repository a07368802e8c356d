"""Who can reach what: a proof over a network, planned or as an account has it, that nobody unnamed can."""
