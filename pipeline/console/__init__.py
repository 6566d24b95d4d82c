"""What a person sees: flags, checks of their values, progress, closing tables."""
