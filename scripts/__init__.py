"""Scripts that make what ships; users never run them."""
