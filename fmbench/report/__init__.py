"""Tables: pure functions of the store."""
