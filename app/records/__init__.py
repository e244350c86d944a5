"""Record files in the app: choosing them, and making them."""
