/* What do all parts of the launcher say of bytes? */
#ifndef SOLVENT_BYTES_H
#define SOLVENT_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define HASH_BYTES 32

/* BLAKE2b with a digest of 32 bytes and no key (RFC 7693). */
void blake2b(const u8 *data, size_t size, u8 digest[HASH_BYTES]);

/* Unpack one raw deflate stream (RFC 1951) of which the unpacked size is known.
   Returns 1, or 0 where the stream is damaged or is not exactly that long. */
int inflate(const u8 *packed, size_t packed_size, u8 *plain, size_t plain_size);

static inline u32 read_u32(const u8 *at) {
    return (u32)at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

static inline u64 read_u64(const u8 *at) {
    return (u64)read_u32(at) | (u64)read_u32(at + 4) << 32;
}

#endif
