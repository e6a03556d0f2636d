"""What the console counts and how it reads a process's answer: pure, no clock, no store."""
