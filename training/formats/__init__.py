"""Readers and writers of single picture formats; `training.images` is the way in."""
