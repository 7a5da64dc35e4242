"""Loading that gives the same samples whoever loads them, and outlives workers."""
