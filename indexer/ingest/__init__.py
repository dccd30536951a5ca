"""Files to passages in catalog and store: scan, plan, read, embed, report."""
