"""A plan becomes Pulumi resources; no decisions are taken here."""
