"""What goes wrong between a program and AWS, as data, and what makes it go wrong in front of the emulated account."""
