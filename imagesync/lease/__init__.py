"""One run at a time for a catalogue: the record, how it is held, whether its process is alive."""
