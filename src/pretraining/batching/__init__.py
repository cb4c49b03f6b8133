"""From the token store to samples: packing, order, loading. No torch here."""
