"""What does an application need to sell itself through Solvent? A guard, a meter and an answer."""
