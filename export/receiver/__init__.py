"""What goes into an export folder beside the models, for someone who has nothing of this package."""
