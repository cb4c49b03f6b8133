"""What the finished model is worth: bits per byte, perplexity, yardsticks, samples."""
