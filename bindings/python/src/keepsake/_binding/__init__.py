"""The generated binding and the engine's library. Import from `keepsake`."""
