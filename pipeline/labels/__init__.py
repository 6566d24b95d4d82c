"""Labels of the user's own: tables of truth, label maps, the search for classes."""
