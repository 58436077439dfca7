"""Rows of Fourier transforms. A complex result becomes a real one, by different weights of its parts."""

import numpy as np

from tests.minigrad.rows.drawn import drawing

r = drawing(34)


def parts(transform, **options):
    def f(x):
        y = transform(x, **options)
        return np.real(y) + 0.6 * np.imag(y) if np.iscomplexobj(y) else y

    return f


def of_complex(transform, **options):
    return lambda x, y: parts(transform, **options)(x + 1j * y)


TABLE = [
    ("fft", parts(np.fft.fft), r(5)),
    ("fft, complex", of_complex(np.fft.fft, axis=0, norm="ortho"), r(3, 2), r(3, 2)),
    ("fft, longer", parts(np.fft.fft, n=6, axis=0), r(4, 2)),
    ("fft, shorter", parts(np.fft.fft, n=3, norm="forward"), r(2, 4)),
    ("ifft", of_complex(np.fft.ifft), r(4), r(4)),
    ("rfft, even", parts(np.fft.rfft), r(2, 4)),
    ("rfft, odd", parts(np.fft.rfft, axis=0, norm="ortho"), r(5, 2)),
    ("rfft, longer", parts(np.fft.rfft, n=7, norm="forward"), r(5)),
    ("irfft, even", of_complex(np.fft.irfft), r(2, 4), r(2, 4)),
    ("irfft, odd", of_complex(np.fft.irfft, n=5, axis=0, norm="ortho"), r(3, 2), r(3, 2)),
    ("irfft, longer", of_complex(np.fft.irfft, n=8, norm="forward"), r(3), r(3)),
    ("irfft, real", parts(np.fft.irfft), r(4)),
    ("hfft", of_complex(np.fft.hfft, n=5), r(3), r(3)),
    ("hfft, forward", of_complex(np.fft.hfft, norm="forward"), r(3), r(3)),
    ("ihfft", parts(np.fft.ihfft, norm="ortho"), r(2, 4)),
    ("fft2", parts(np.fft.fft2), r(2, 3)),
    ("ifft2", of_complex(np.fft.ifft2, s=(3, 2)), r(2, 3), r(2, 3)),
    ("rfft2", parts(np.fft.rfft2), r(2, 3)),
    ("irfft2", of_complex(np.fft.irfft2, s=(2, 5)), r(2, 3), r(2, 3)),
    ("fftn", parts(np.fft.fftn), r(2, 3, 2)),
    ("ifftn", of_complex(np.fft.ifftn, axes=(0, 2), norm="ortho"), r(2, 1, 3), r(2, 1, 3)),
    ("rfftn", parts(np.fft.rfftn, s=(3, 4), axes=(1, 0)), r(2, 3)),
    ("irfftn", of_complex(np.fft.irfftn, norm="forward"), r(2, 3), r(2, 3)),
    ("fftshift", lambda x: np.fft.fftshift(x, axes=1), r(2, 3)),
    ("ifftshift", np.fft.ifftshift, r(5, 2)),
]
