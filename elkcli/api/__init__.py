"""The server: requests out, pieces of an answer in. httpx lives here."""
