"""The clean copy: what mmdet and all tools read in place of the originals."""
