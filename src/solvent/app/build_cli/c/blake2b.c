/* Is this byte for byte what was built? BLAKE2b-256, RFC 7693. */
#include "bytes.h"
#include <string.h>

static const u64 START[8] = {
    0x6a09e667f3bcc908ULL, 0xbb67ae8584caa73bULL, 0x3c6ef372fe94f82bULL, 0xa54ff53a5f1d36f1ULL,
    0x510e527fade682d1ULL, 0x9b05688c2b3e6c1fULL, 0x1f83d9abfb41bd6bULL, 0x5be0cd19137e2179ULL,
};

static const u8 ORDER[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

static inline u64 turn(u64 word, int by) { return word >> by | word << (64 - by); }

#define MIX(a, b, c, d, x, y) \
    do { \
        v[a] += v[b] + (x); v[d] = turn(v[d] ^ v[a], 32); \
        v[c] += v[d];       v[b] = turn(v[b] ^ v[c], 24); \
        v[a] += v[b] + (y); v[d] = turn(v[d] ^ v[a], 16); \
        v[c] += v[d];       v[b] = turn(v[b] ^ v[c], 63); \
    } while (0)

static void compress(u64 state[8], const u8 block[128], u64 counted, int last) {
    u64 v[16], m[16];
    for (int i = 0; i < 16; i++) m[i] = read_u64(block + 8 * i);
    for (int i = 0; i < 8; i++) { v[i] = state[i]; v[i + 8] = START[i]; }
    v[12] ^= counted;
    if (last) v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const u8 *s = ORDER[round];
        MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);
        MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);
        MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);
        MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);
        MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);
        MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);
        MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);
        MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

void blake2b(const u8 *data, size_t size, u8 digest[HASH_BYTES]) {
    u64 state[8];
    memcpy(state, START, sizeof state);
    state[0] ^= 0x01010000 ^ HASH_BYTES;
    u64 done = 0;
    for (; size - done > 128; done += 128) compress(state, data + done, done + 128, 0);
    u8 block[128] = {0};
    if (size > done) memcpy(block, data + done, size - done);
    compress(state, block, size, 1);
    for (int i = 0; i < HASH_BYTES; i++) digest[i] = (u8)(state[i / 8] >> 8 * (i % 8));
}
