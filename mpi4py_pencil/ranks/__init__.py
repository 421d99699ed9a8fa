"""The ground: what the ranks of a communicator agree on, and what is made for it once."""
