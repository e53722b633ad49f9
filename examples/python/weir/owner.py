"""Objects that own something of the runtime: there is one of each."""


class Owner:
    """An object that frees what it owns at its end. A copy would free it
    again, and in another process there is nothing at that address."""

    def __reduce_ex__(self, protocol: int):
        name = type(self).__name__
        raise TypeError("a weir %s cannot be copied or pickled: open another "
                        "one" % name)
