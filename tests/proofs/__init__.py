"""What goes to AWS, request by request, and what follows from it."""
