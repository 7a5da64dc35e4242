"""The deploy card: how close every exported file is to mmdet, and how fast."""
