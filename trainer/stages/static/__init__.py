"""A model without layers: a text is the mean of the vectors of its pieces. How ``fast`` was made."""
