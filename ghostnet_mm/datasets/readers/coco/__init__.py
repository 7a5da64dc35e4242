"""COCO object detection, as its many writers write it."""
