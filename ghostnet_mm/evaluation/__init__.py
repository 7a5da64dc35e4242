"""COCO tables and pictures of what a detector found."""
