"""What elkcli promises, tried from outside wherever that is possible."""
