/* What is carried behind the launcher, and how is it read?

   launcher | packed files | index | trailer
   trailer, 56 bytes: "SOLVENT1", index offset (8), index size (8), BLAKE2b-256 of the index (32)
   index: count (4), name length (1), name, then for each entry in the order of their paths:
          kind (1: 0 folder, 1 file, 2 program), path length (2), path,
          plain size (8), packed offset (8), packed size (8), BLAKE2b-256 of the plain bytes (32)
   Numbers are little-endian. Everything is checked before it is believed. */
#ifndef SOLVENT_PACKAGE_H
#define SOLVENT_PACKAGE_H

#include "bytes.h"

#define TRAILER_BYTES 56
#define ENTRY_BYTES (3 + 24 + HASH_BYTES) /* without the path */
#define MAX_PATH_BYTES 512
#define MAX_NAME_BYTES 64
#define MAX_ENTRIES 100000
#define MAX_PLAIN_BYTES (1u << 30)

enum { FOLDER = 0, PLAIN_FILE = 1, PROGRAM = 2 };

typedef struct {
    const u8 *bytes; /* the whole file */
    const u8 *at, *end; /* the first entry, and behind the last */
    u32 count;
    char name[MAX_NAME_BYTES + 1];
    char key[2 * HASH_BYTES + 1]; /* hex of the index's hash: names the folder in the cache */
} Package;

typedef struct {
    int kind;
    char path[MAX_PATH_BYTES + 1];
    u64 plain_size, packed_at, packed_size;
    const u8 *hash;
} Entry;

/* Open the package at the end of `size` bytes; 0 where there is none, or it was changed. */
int open_package(Package *package, const u8 *bytes, size_t size);

/* Read the entry at `*cursor` (begin with package->at) and move on; 0 at the end. */
int next_entry(const Package *package, const u8 **cursor, Entry *entry);

/* Unpack an entry into memory that the caller frees; NULL where it was changed. */
u8 *unpack(const Package *package, const Entry *entry);

#endif
