"""Hashes and the numbers that lead to the place of a key: sections 5 to 8 of spec.md."""
import struct

import xxhash

from oracle_base import ceil_div

MASK = 2**64 - 1
A, B, G = 0x5851F42D4C957F2D, 0x517CC1B727220A95, 0x9E3779B97F4A7C15


def mulhi(a, b):
    return a * b >> 64


def mullo(a, b):
    return a * b & MASK


def xxh64(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


def bucket_count(n):
    return 3 * n // 8 + 1


def body_length(n, w):
    """The bytes of a body, section 5."""
    return bucket_count(n) + ceil_div(n * w, 8) if n else 0


def rotl(x, bits):
    return (x << bits | x >> 64 - bits) & MASK


def siphash(key, k0, k1):
    """SipHash-1-3-128: its two halves, the second one first."""
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = v0 + v1 & MASK, v2 + v3 & MASK
            v1, v3 = rotl(v1, 13) ^ v0, rotl(v3, 16) ^ v2
            v0, v2 = rotl(v0, 32) + v3 & MASK, v2 + v1 & MASK
            v3, v1 = rotl(v3, 21) ^ v0, rotl(v1, 17) ^ v2
            v2 = rotl(v2, 32)

    padded = key + bytes(7 - len(key) % 8) + bytes([len(key) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v3 ^= word
        rounds(1)
        v0 ^= word
    v2 ^= 0xEE
    rounds(3)
    first = v0 ^ v1 ^ v2 ^ v3
    v1 ^= 0xDD
    rounds(3)
    return v0 ^ v1 ^ v2 ^ v3, first


def hash_key(key, seed, second_seed=None):
    """`hi` and `lo` of section 7, step 1; with a second seed by SipHash-1-3-128."""
    if second_seed is not None:
        return siphash(key, seed & MASK, second_seed)
    h = xxhash.xxh3_128_intdigest(key, seed & MASK)
    return h >> 64, h & MASK


def tried(lo, try_):
    """Step 4: `x`."""
    return mullo(lo, 2 * try_ * A + 1)


def bucket_of(x, n):
    """Step 5: the bucket of a key in a cell of n keys."""
    return mulhi(x, bucket_count(n))


def slot_of(x, pilot, n):
    """Step 6."""
    return mulhi(mullo(x ^ mullo(B, pilot + 1), G), n)
