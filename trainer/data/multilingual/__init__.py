"""Text in many languages: rows of files, pairs in memory, batches that draw small languages more often."""
