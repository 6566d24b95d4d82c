"""Running quantlabel on more than one machine; none of it is part of the distribution."""
