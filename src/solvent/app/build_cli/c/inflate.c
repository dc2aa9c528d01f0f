/* What was packed here? Raw deflate, RFC 1951, out of memory into memory.

   Codes of up to 10 bits, nearly all, are looked up in one step; longer ones are walked bit by bit
   as the RFC numbers them. Everything that a damaged stream could lead out of is checked. */
#include "bytes.h"
#include <string.h>

#define QUICK_BITS 10
#define MAX_BITS 15
#define MAX_SYMBOLS 288
#define END_OF_BLOCK 256

typedef struct {
    uint16_t quick[1 << QUICK_BITS]; /* symbol * 16 + length of the code; 0: a longer code */
    uint16_t counted[MAX_BITS + 1];
    uint16_t sorted[MAX_SYMBOLS];
} Codes;

typedef struct {
    const u8 *at, *end;
    u64 bits;
    int held; /* how many bits are in `bits`; below 0: read past the end */
} Reader;

static inline void fill(Reader *r) {
    if (r->end - r->at >= 8) {
        r->bits |= read_u64(r->at) << r->held;
        r->at += (63 - r->held) >> 3;
        r->held |= 56;
        return;
    }
    while (r->held <= 56 && r->at < r->end) {
        r->bits |= (u64)*r->at++ << r->held;
        r->held += 8;
    }
}

static inline u32 take(Reader *r, int count) {
    u32 value = (u32)(r->bits & ((1ULL << count) - 1));
    r->bits >>= count;
    r->held -= count;
    return value;
}

static int build(Codes *codes, const u8 *lengths, int symbols) {
    uint16_t starts[MAX_BITS + 2] = {0};
    u32 next[MAX_BITS + 2] = {0};
    memset(codes, 0, sizeof *codes);
    for (int i = 0; i < symbols; i++) codes->counted[lengths[i]]++;
    codes->counted[0] = 0;
    int left = 1;
    for (int bits = 1; bits <= MAX_BITS; bits++) {
        left = left * 2 - codes->counted[bits];
        if (left < 0) return 0; /* more codes than there can be */
        starts[bits + 1] = starts[bits] + codes->counted[bits];
        next[bits + 1] = (next[bits] + codes->counted[bits]) << 1;
    }
    for (int i = 0; i < symbols; i++) {
        int length = lengths[i];
        if (!length) continue;
        codes->sorted[starts[length]++] = (uint16_t)i;
        u32 code = next[length]++, mirrored = 0;
        if (length > QUICK_BITS) continue;
        for (int bit = 0; bit < length; bit++) mirrored |= (code >> bit & 1) << (length - 1 - bit);
        for (u32 slot = mirrored; slot < 1 << QUICK_BITS; slot += 1u << length)
            codes->quick[slot] = (uint16_t)(i << 4 | length);
    }
    return 1;
}

static int walk(Reader *r, const Codes *codes) {
    int code = 0, first = 0, index = 0;
    for (int bits = 1; bits <= MAX_BITS; bits++) {
        code |= (int)take(r, 1);
        int count = codes->counted[bits];
        if (code - count < first) return codes->sorted[index + code - first];
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return -1;
}

static inline int symbol(Reader *r, const Codes *codes) {
    uint16_t found = codes->quick[r->bits & ((1 << QUICK_BITS) - 1)];
    if (!found) return walk(r, codes);
    take(r, found & 15);
    return found >> 4;
}

static const uint16_t LENGTH_BASE[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35,
    43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const u8 LENGTH_EXTRA[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4,
    4, 4, 5, 5, 5, 5, 0};
static const uint16_t DISTANCE_BASE[30] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193,
    257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

static u8 *copy(u8 *to, size_t distance, size_t length) {
    const u8 *from = to - distance;
    if (distance >= length) {
        memcpy(to, from, length);
        return to + length;
    }
    while (length--) *to++ = *from++; /* it overlaps: what is written is read again */
    return to;
}

/* Unpack the symbols of one block; returns where it ended, or NULL. */
static u8 *block(Reader *r, const Codes *literals, const Codes *distances, u8 *begin, u8 *at, u8 *end) {
    for (;;) {
        fill(r);
        int found = symbol(r, literals);
        if (r->held < 0 || found < 0) return NULL;
        if (found < END_OF_BLOCK) {
            if (at == end) return NULL;
            *at++ = (u8)found;
            continue;
        }
        if (found == END_OF_BLOCK) return at;
        found -= END_OF_BLOCK + 1;
        if (found >= 29) return NULL;
        size_t length = LENGTH_BASE[found] + take(r, LENGTH_EXTRA[found]);
        fill(r);
        int far = symbol(r, distances);
        if (far < 0 || far >= 30) return NULL;
        size_t distance = DISTANCE_BASE[far] + take(r, far < 4 ? 0 : far / 2 - 1);
        if (r->held < 0 || distance > (size_t)(at - begin) || length > (size_t)(end - at)) return NULL;
        at = copy(at, distance, length);
    }
}

static int read_codes(Reader *r, Codes *literals, Codes *distances) {
    static const u8 ORDER[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    u8 lengths[MAX_SYMBOLS + 32] = {0};
    fill(r);
    int literal_count = 257 + (int)take(r, 5), distance_count = 1 + (int)take(r, 5);
    int count = 4 + (int)take(r, 4), total = literal_count + distance_count;
    for (int i = 0; i < count; i++) {
        fill(r);
        lengths[ORDER[i]] = (u8)take(r, 3);
    }
    if (!build(literals, lengths, 19)) return 0;
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < total;) {
        fill(r);
        int found = symbol(r, literals), again = 1;
        u8 value = (u8)found;
        if (found < 0 || r->held < 0) return 0;
        if (found == 16) {
            if (!i) return 0;
            value = lengths[i - 1];
            again = 3 + (int)take(r, 2);
        } else if (found >= 17) {
            value = 0;
            again = found == 17 ? 3 + (int)take(r, 3) : 11 + (int)take(r, 7);
        }
        if (i + again > total) return 0;
        while (again--) lengths[i++] = value;
    }
    return literal_count <= MAX_SYMBOLS && build(literals, lengths, literal_count)
        && build(distances, lengths + literal_count, distance_count);
}

static void fixed_codes(Codes *literals, Codes *distances) {
    u8 lengths[MAX_SYMBOLS];
    for (int i = 0; i < MAX_SYMBOLS; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    build(literals, lengths, MAX_SYMBOLS);
    memset(lengths, 5, 30);
    build(distances, lengths, 30);
}

/* Copy a block that is stored as it is; returns where it ended, or NULL. */
static u8 *stored(Reader *r, u8 *at, u8 *end) {
    take(r, r->held & 7);
    while (r->held >= 8 && r->held > 0) { /* give back the whole bytes that were read ahead */
        r->at--;
        r->held -= 8;
    }
    r->bits = 0;
    r->held = 0;
    if (r->end - r->at < 4) return NULL;
    size_t length = r->at[0] | (size_t)r->at[1] << 8, check = r->at[2] | (size_t)r->at[3] << 8;
    r->at += 4;
    if (length != (check ^ 0xffff) || length > (size_t)(r->end - r->at) || length > (size_t)(end - at))
        return NULL;
    memcpy(at, r->at, length);
    r->at += length;
    return at + length;
}

int inflate(const u8 *packed, size_t packed_size, u8 *plain, size_t plain_size) {
    Reader r = {packed, packed + packed_size, 0, 0};
    Codes literals, distances;
    u8 *at = plain, *end = plain + plain_size;
    int last = 0;
    while (!last) {
        fill(&r);
        if (r.held < 3) return 0;
        last = (int)take(&r, 1);
        switch (take(&r, 2)) {
        case 0:
            at = stored(&r, at, end);
            break;
        case 1:
            fixed_codes(&literals, &distances);
            at = block(&r, &literals, &distances, plain, at, end);
            break;
        case 2:
            at = read_codes(&r, &literals, &distances)
                ? block(&r, &literals, &distances, plain, at, end) : NULL;
            break;
        default:
            return 0;
        }
        if (!at) return 0;
    }
    return at == end;
}
