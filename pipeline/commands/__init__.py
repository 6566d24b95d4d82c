"""The commands of `quantlabel`, a module each: flags, and the call that carries it out."""
