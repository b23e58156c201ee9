"""Values of imagesync: what is wanted, what is live, the record between them, plans and reports. No I/O."""
