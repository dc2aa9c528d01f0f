"""What does an AES-256-GCM box hold? In plain Python, for programs that carry no `cryptography`.

FIPS 197 and NIST SP 800-38D. It only opens: the key is the customer's own license key, the machine
is theirs, and one file is opened, so that tables are used whose running time depends on the data.

In counter mode every block is known beforehand, so all are encrypted at once. They lie byte by
byte: first byte 0 of every block, then another, in the order of the state's rows. So a step of the
cipher is a few operations on one long text: its substitutions are `translate`, its row shifts are
slices, and its sums are of one large integer. Ten times as quick as block after block.
"""

import hmac
from typing import Final

_ROUNDS: Final = 14
_BLOCK: Final = 16
_IV_BYTES: Final = 12
_REDUCTION: Final = 0xE1 << 120
_MASK: Final = 0xFFFFFFFF
_LANES: Final = tuple(row + 4 * column for row in range(4) for column in range(4))
"""Which byte of a block stands in each place of the state, row after row."""


def open_box(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes) -> bytes | None:
    """Return the plain text, or None if the key is another or a bit has changed."""
    if len(iv) != _IV_BYTES:
        return None
    count = -(-len(ciphertext) // _BLOCK)
    counters = b"".join(iv + number.to_bytes(4, "big") for number in range(1, count + 2))
    stream = _encrypt(_expand(key), bytes(_BLOCK) + counters)
    subkey, mask, stream = stream[:16], stream[16:32], stream[32 : 32 + len(ciphertext)]
    if not hmac.compare_digest(_xor(_ghash(subkey, ciphertext), mask), tag):
        return None
    return _xor(ciphertext, stream)


def _xor(one: bytes, other: bytes) -> bytes:
    mixed = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return mixed.to_bytes(len(one), "big")


# --------------------------------------------------------------------------------------------- AES


def _double(byte: int) -> int:
    return (byte << 1 ^ (0x11B if byte & 0x80 else 0)) & 0xFF


def _substitutes() -> bytes:
    """Return the S-box, made as FIPS 197 defines it: the inverse, then an affine map."""
    box = bytearray(256)
    p = q = 1
    while True:
        p ^= _double(p)
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
_DOUBLED: Final = bytes(map(_double, range(256)))


def _expand(key: bytes) -> list[bytes]:
    """Return the key of each round, in the order of the lanes."""
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
    schedule = b"".join(word.to_bytes(4, "big") for word in words)
    rounds = (schedule[at : at + _BLOCK] for at in range(0, len(schedule), _BLOCK))
    return [bytes(one[lane] for lane in _LANES) for one in rounds]


def _substitute(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big").translate(_S), "big")


def _encrypt(keys: list[bytes], blocks: bytes) -> bytes:
    """Return blocks, encrypted each by itself."""
    count = len(blocks) // _BLOCK
    row = 4 * count
    state = _with_key(b"".join(blocks[lane::_BLOCK] for lane in _LANES), keys[0], count)
    for key in keys[1:-1]:
        state = _with_key(_mixed(_shifted(state.translate(_S), count), row), key, count)
    state = _with_key(_shifted(state.translate(_S), count), keys[-1], count)
    result = bytearray(len(blocks))
    for place, lane in enumerate(_LANES):
        result[lane::_BLOCK] = state[place * count : (place + 1) * count]
    return bytes(result)


def _with_key(state: bytes, key: bytes, count: int) -> bytes:
    return _xor(state, b"".join(key[at : at + 1] * count for at in range(_BLOCK)))


def _shifted(state: bytes, count: int) -> bytes:
    """Return ShiftRows: row r begins with its column r."""
    row = 4 * count
    cuts = ((at * row, at * (row + count), (at + 1) * row) for at in range(4))
    return b"".join(state[cut:end] + state[begin:cut] for begin, cut, end in cuts)


def _mixed(state: bytes, row: int) -> bytes:
    """Return MixColumns: of each byte and those below it in its column, 2a + 3b + c + d."""
    below = state[row:] + state[:row]
    pairs = _xor(state, below)
    rest = _xor(below, pairs[2 * row :] + pairs[: 2 * row])
    return _xor(pairs.translate(_DOUBLED), rest)


# ------------------------------------------------------------------------------------------- GHASH


def _ghash(subkey: bytes, ciphertext: bytes) -> bytes:
    """Return GHASH of the text with no associated data, before the mask."""
    table = _multiples(int.from_bytes(subkey, "big"))
    padded = ciphertext + bytes(-len(ciphertext) % _BLOCK)
    total = 0
    for at in range(0, len(padded), _BLOCK):
        total = _times(table, total ^ int.from_bytes(padded[at : at + _BLOCK], "big"))
    return _times(table, total ^ len(ciphertext) * 8).to_bytes(_BLOCK, "big")


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
