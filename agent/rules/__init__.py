"""Pure judgements: values in, facts out. No I/O, clock, log, randomness or async."""
