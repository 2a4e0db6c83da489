"""What recon sees in one photo: a small network of its own, and the recipe it was made by."""
