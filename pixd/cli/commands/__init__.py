"""The commands, one module each. `pixd.cli.main` imports the one that was asked for."""
