"""One coroutine per thing minded: observations through a rule to the ledger and the hardware."""
