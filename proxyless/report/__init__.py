"""The page of a run: what it says, and how it is drawn."""
