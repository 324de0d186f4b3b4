"""How a text is read: spelling, words, quantities, known texts."""
