"""The agent process: threads that bring events to the decision core and carry out its effects."""
