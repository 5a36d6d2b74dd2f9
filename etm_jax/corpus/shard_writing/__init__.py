"""Writing a corpus as shards, by local processes or Apache Beam."""
