"""Text by itself: passages, sentences, scripts, languages. Knows no files and no models."""
