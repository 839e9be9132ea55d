"""The disk: settings, credentials, history, media."""
