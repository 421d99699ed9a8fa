"""The four-step method: one long line, divided among the ranks, as a matrix whose columns and rows are transformed.

Gentleman & Sande, "Fast Fourier transforms: for fun and profit", AFIPS Fall Joint Computer Conference (1966);
Bailey, "FFTs in external or hierarchical memory", Journal of Supercomputing 4 (1990). With n = n1 n2, points
j = j1 n2 + j2 and modes k = k1 + k2 n1, the transform is::

    X[k] = sum over j2 of w2**(j2 k2) * w**(j2 k1) * (sum over j1 of w1**(j1 k1) * x[j]),

where w, w1, w2 are exp(-2 pi i / n), exp(-2 pi i / n1) and exp(-2 pi i / n2): transforms along the columns of the
matrix x[j1, j2], the twiddle factors w**(j2 k1), transforms along the rows of the matrix that has k1 and j2, which
becomes one of k1 and k2, and a transposition.

The columns of real points have the half of their spectra that is not redundant, k1 = 0..n1 // 2, and so there are half
as many rows. Each entry of these is the mode k, or the conjugate of the mode n - k. So what is real costs half the work
and half the messages, and no pair of modes has to be brought together afterwards.

- `twiddles`: the factors of n, the twiddle factors, and an engine that multiplies tiles by them.
- `places`: which items of the caller's lines are which entries of the matrix. Integers only.
- `ends`: copies between the caller's lines and the boxes of the first or of the last exchange.
- `route`: the exchanges, and both directions over them.
"""
