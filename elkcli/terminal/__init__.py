"""What people see. rich lives here."""
