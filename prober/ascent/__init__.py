"""One batch of images, optimized."""
