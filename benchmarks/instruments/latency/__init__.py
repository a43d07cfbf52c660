"""What the timed rounds say, and how far they are from what the device can do."""
