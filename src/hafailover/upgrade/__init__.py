"""In which order a pool's hosts get a new neard or a new hafailover, so that nothing is lost by it."""
