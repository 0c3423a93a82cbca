"""What of the facts is wrong, and what to do about it. Pure: no files, no network, no clock."""
