"""How far a forward is from what the device can do."""
