def philox(Py_ssize_t start, Py_ssize_t key, Py_ssize_t numbers, Py_ssize_t count, Py_ssize_t out):
    """The random words of given numbers: see philox.h.

    Parameters
    ----------
    start, key : int
        The addresses of a counter, four words of 64 bits, and of a key, two.
    numbers : int
        The address of `count` whole numbers of 64 bits, none negative.
    out : int
        The address of as many words.
    """
    with nogil:
        philox_words(<const uint64_t *>start, <const uint64_t *>key, <const int64_t *>numbers, count, <uint64_t *>out)
