"""The cross-encoder: trained on query groups, then the teacher of stage 2."""
