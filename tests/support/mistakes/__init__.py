"""What users get wrong, by what it is about."""
