"""How the C library keeps the memory of the activations."""

from contextlib import suppress
from pathlib import Path


def settle_memory() -> None:
    """Lets glibc keep the memory of the activations from step to step, in pages of 2 MB.

    It would give it back to the system after each step: measured on chunks of 64, 2,500 page
    faults a step, a third of its time. And in pages of 4 kB, looking up the pages takes longer
    than ReLU's backward pass takes to compute: 1.5 ms instead of 0.25. Other C libraries and
    systems are left as they are.
    """
    with suppress(ImportError, OSError, AttributeError, StopIteration):
        import ctypes

        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3  # from malloc.h
        libc.mallopt(m_mmap_threshold, 2**30)
        libc.mallopt(m_trim_threshold, 2**30)
        libc.mallopt(m_top_pad, 2**28)
        libc.malloc.restype = ctypes.c_void_p
        libc.free(ctypes.c_void_p(libc.malloc(2**26)))  # makes the heap grow by the pad
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        heap = next(line for line in maps if line.endswith("[heap]"))
        start, end = (int(address, 16) for address in heap.split()[0].split("-"))
        page, madv_hugepage = 2**21, 14
        start = -(-start // page) * page
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), madv_hugepage)
