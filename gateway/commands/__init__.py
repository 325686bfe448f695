"""The command line's words, one file a family."""
