"""The plan of a transform: what was asked, its steps, its grid, and the passes and legs that carry it out."""
