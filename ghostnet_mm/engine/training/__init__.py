"""What training needs beside mmengine: precision, rates, forms of the model."""
