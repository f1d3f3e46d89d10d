"""What developers run, and what those commands share."""
