"""A detector as one function of tensors: a picture in, candidates out."""
