"""What camera events mean and what they add up to: pure, no input or output, no framework."""
