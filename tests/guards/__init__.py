"""Guards, each shown failing on a planted fault."""
