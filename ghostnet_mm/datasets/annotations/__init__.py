"""The data set in memory: pictures, objects, masks, and what was found odd in them."""
