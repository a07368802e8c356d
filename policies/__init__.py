"""What a stack must never be: one rule per file, pure checks, their examples beside them."""
