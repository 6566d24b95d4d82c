"""Does a finished run hold what its manifest says?"""
