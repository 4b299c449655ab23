"""Measuring models against true colours: pictures in, one table out."""
