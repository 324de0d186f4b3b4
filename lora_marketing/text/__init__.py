"""How a text is read: spellings, words, quantities, and hashes of the texts an adapter was trained on."""
