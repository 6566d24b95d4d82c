"""Programs for developers: the demo, and makers of the tables of classes."""
