"""Programs that only tests run: linters, and an emulator of AWS."""
