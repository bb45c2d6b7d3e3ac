"""The emulated far ends of real wires: providers, cupsd, copier, card readers, a board."""
