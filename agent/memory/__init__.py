"""The only SQLite: the ledger of facts, and the roster of people."""
