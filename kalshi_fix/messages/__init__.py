"""L0: commands (what changes the exchange), events (what happened), and their packed form."""
