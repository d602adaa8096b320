"""What comes in: bytes, bodies by the contract, deliveries for the store."""
