"""A question to ranked hits: both legs, ranking, confidence, evidence."""
