"""Pure functions of libraries that nobody has hardened, in a process that can be killed.

`transforms.images.guarded.guard.call` runs a function in a helper process, with limits of memory
and time, and hands back the array that it returns:

    from transforms.images.guarded.guard import Limits, call

    pixels = call(decode, data, 3, limits=Limits(memory=500_000_000, seconds=20))

A crash of the library, a time-out or too much memory is an `ImageError`; the next call gets a new
process. Threads that call at once have a process each. None is started before the first call, and
they end with the program.
"""
