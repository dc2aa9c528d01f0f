"""What starts the engines and the processes of Solvent, keeps them alive and stops them."""
