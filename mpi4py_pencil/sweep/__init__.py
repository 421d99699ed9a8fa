"""Sweeps: loops that gather tiles of lines, have an engine transform them, and scatter them; copies likewise."""
