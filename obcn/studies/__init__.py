"""What the studies compare, what they found, and the paper beside it."""
