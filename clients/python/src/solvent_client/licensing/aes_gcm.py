"""What does an AES-256-GCM box hold? In plain Python, for programs that carry no `cryptography`.

FIPS 197 and NIST SP 800-38D. It only opens: the key is the customer's own license key, the machine
is theirs, and one file is opened, so that tables are used whose running time depends on the data.
"""

import hmac
from typing import Final

_ROUNDS: Final = 14
_BLOCK: Final = 16
_IV_BYTES: Final = 12
_REDUCTION: Final = 0xE1 << 120
_MASK: Final = 0xFFFFFFFF


def open_box(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes) -> bytes | None:
    """Return the plain text, or None if the key is another or a bit has changed."""
    words = _expand(key)
    counter = int.from_bytes(iv + b"\0\0\0\1", "big")
    hashed = _ghash(int.from_bytes(_encrypt(words, 0), "big"), ciphertext)
    mask = int.from_bytes(_encrypt(words, counter), "big")
    if len(iv) != _IV_BYTES or not hmac.compare_digest(
        (hashed ^ mask).to_bytes(_BLOCK, "big"), tag
    ):
        return None
    blocks = -(-len(ciphertext) // _BLOCK)
    stream = b"".join(_encrypt(words, counter + 1 + number) for number in range(blocks))
    plain = int.from_bytes(ciphertext, "big") ^ int.from_bytes(stream[: len(ciphertext)], "big")
    return plain.to_bytes(len(ciphertext), "big")


def _double(byte: int) -> int:
    return (byte << 1) ^ (0x11B if byte & 0x80 else 0)


def _substitutes() -> bytes:
    """Return the S-box, made as FIPS 197 defines it: the inverse, then an affine map."""
    box = bytearray(256)
    p = q = 1
    while True:
        p ^= _double(p) & 0xFF
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        turned = q | q << 8
        box[p] = (q ^ turned >> 7 ^ turned >> 6 ^ turned >> 5 ^ turned >> 4) & 0xFF ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return bytes(box)


_S: Final = _substitutes()


def _tables() -> tuple[tuple[int, ...], ...]:
    """Return SubBytes and MixColumns of a byte in each of the four rows, as one look-up each."""
    first = [(_double(s) << 24 | s << 16 | s << 8 | _double(s) ^ s) & _MASK for s in _S]
    rows = [tuple(first)]
    for _ in range(3):
        rows.append(tuple(one >> 8 | (one & 0xFF) << 24 for one in rows[-1]))
    return tuple(rows)


_T0, _T1, _T2, _T3 = _tables()


def _expand(key: bytes) -> list[int]:
    """Return the 60 words of the key schedule."""
    words = [int.from_bytes(key[at : at + 4], "big") for at in range(0, 32, 4)]
    constant = 1
    for number in range(8, 4 * (_ROUNDS + 1)):
        word = words[-1]
        if number % 8 == 0:
            word = _substitute((word << 8 | word >> 24) & _MASK) ^ constant << 24
            constant = _double(constant)
        elif number % 8 == 4:  # noqa: PLR2004 -- only a 256-bit key's schedule has this step
            word = _substitute(word)
        words.append(words[number - 8] ^ word)
    return words


def _substitute(word: int) -> int:
    return int.from_bytes(bytes(_S[byte] for byte in word.to_bytes(4, "big")), "big")


def _encrypt(words: list[int], block: int) -> bytes:
    a, b, c, d = (block >> shift & _MASK for shift in (96, 64, 32, 0))
    a, b, c, d = a ^ words[0], b ^ words[1], c ^ words[2], d ^ words[3]
    for at in range(4, 4 * _ROUNDS, 4):
        a, b, c, d = (
            _T0[a >> 24] ^ _T1[b >> 16 & 255] ^ _T2[c >> 8 & 255] ^ _T3[d & 255] ^ words[at],
            _T0[b >> 24] ^ _T1[c >> 16 & 255] ^ _T2[d >> 8 & 255] ^ _T3[a & 255] ^ words[at + 1],
            _T0[c >> 24] ^ _T1[d >> 16 & 255] ^ _T2[a >> 8 & 255] ^ _T3[b & 255] ^ words[at + 2],
            _T0[d >> 24] ^ _T1[a >> 16 & 255] ^ _T2[b >> 8 & 255] ^ _T3[c & 255] ^ words[at + 3],
        )
    last = words[-4:]
    rows = ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
    return b"".join(
        (_last(*row) ^ word).to_bytes(4, "big") for row, word in zip(rows, last, strict=True)
    )


def _last(a: int, b: int, c: int, d: int) -> int:
    return _S[a >> 24] << 24 | _S[b >> 16 & 255] << 16 | _S[c >> 8 & 255] << 8 | _S[d & 255]


def _ghash(h: int, ciphertext: bytes) -> int:
    """Return GHASH of the text with no associated data, before the mask."""
    table = _multiples(h)
    padded = ciphertext + bytes(-len(ciphertext) % _BLOCK)
    total = 0
    for at in range(0, len(padded), _BLOCK):
        total = _times(table, total ^ int.from_bytes(padded[at : at + _BLOCK], "big"))
    return _times(table, total ^ len(ciphertext) * 8)


def _multiples(h: int) -> list[list[int]]:
    """Return, for each byte of a block, h times each value of that byte."""
    powers: list[int] = []
    for _ in range(128):
        powers.append(h)
        h = h >> 1 ^ (_REDUCTION if h & 1 else 0)
    tables: list[list[int]] = []
    for byte in range(_BLOCK):
        table = [0]
        for bit in range(7, -1, -1):
            table += [one ^ powers[8 * byte + bit] for one in table]
        tables.append(table)
    return tables


def _times(table: list[list[int]], block: int) -> int:
    product = 0
    for row, byte in zip(table, block.to_bytes(_BLOCK, "big"), strict=True):
        product ^= row[byte]
    return product
