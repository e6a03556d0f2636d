"""What a colour is and how it comes about: pure, without clock or store."""
