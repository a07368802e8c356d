"""Evidence: what was checked of a stack and what came of it, as files that a reviewer can keep, and a signature."""
