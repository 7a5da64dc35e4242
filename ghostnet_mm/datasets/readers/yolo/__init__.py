"""YOLO: one text file of lines per picture, with or without Ultralytics' YAML file."""
