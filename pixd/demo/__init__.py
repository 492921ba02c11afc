"""What the demo draws: paired pictures that a network must learn, and the sheet that shows it."""
