/* Is the package whole, and what is in it? */
#include "package.h"
#include <stdlib.h>
#include <string.h>

/* A path that stays inside: relative, no empty part, no part of dots alone, no backslash. */
static int stays_inside(const char *path) {
    const char *part = path;
    for (;; path++) {
        if (*path == '\\' || *path == ':') return 0;
        if (*path && *path != '/') continue;
        size_t length = (size_t)(path - part);
        if (!length || (length <= 2 && !strncmp(part, "..", length))) return 0;
        if (!*path) return 1;
        part = path + 1;
    }
}

static int is_name(const char *name) {
    if (!*name || *name == '.') return 0;
    for (; *name; name++) {
        char c = *name;
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')
            && c != '-' && c != '_' && c != '.') return 0;
    }
    return 1;
}

int open_package(Package *package, const u8 *bytes, size_t size) {
    if (size < TRAILER_BYTES) return 0;
    const u8 *trailer = bytes + size - TRAILER_BYTES;
    if (memcmp(trailer, "SOLVENT1", 8)) return 0;
    u64 offset = read_u64(trailer + 8), length = read_u64(trailer + 16);
    u64 room = (u64)(size - TRAILER_BYTES);
    if (offset > room || length > room - offset || length < 5) return 0;
    const u8 *index = bytes + offset;
    u8 hash[HASH_BYTES];
    blake2b(index, (size_t)length, hash);
    if (memcmp(hash, trailer + 24, HASH_BYTES)) return 0;
    package->bytes = bytes;
    package->count = read_u32(index);
    size_t named = index[4];
    if (package->count > MAX_ENTRIES || named > MAX_NAME_BYTES || length < 5 + named) return 0;
    memcpy(package->name, index + 5, named);
    package->name[named] = 0;
    package->at = index + 5 + named;
    package->end = index + length;
    for (int i = 0; i < HASH_BYTES; i++) {
        package->key[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        package->key[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    package->key[2 * HASH_BYTES] = 0;
    return is_name(package->name);
}

int next_entry(const Package *package, const u8 **cursor, Entry *entry) {
    const u8 *at = *cursor;
    if (package->end - at < 3) return 0;
    size_t length = at[1] | (size_t)at[2] << 8;
    if (length > MAX_PATH_BYTES || (size_t)(package->end - at) < ENTRY_BYTES + length) return 0;
    entry->kind = at[0];
    memcpy(entry->path, at + 3, length);
    entry->path[length] = 0;
    at += 3 + length;
    entry->plain_size = read_u64(at);
    entry->packed_at = read_u64(at + 8);
    entry->packed_size = read_u64(at + 16);
    entry->hash = at + 24;
    *cursor = at + 24 + HASH_BYTES;
    u64 room = (u64)(package->at - package->bytes);
    return entry->kind <= PROGRAM && entry->plain_size <= MAX_PLAIN_BYTES && entry->packed_at <= room
        && entry->packed_size <= room - entry->packed_at && stays_inside(entry->path);
}

u8 *unpack(const Package *package, const Entry *entry) {
    size_t size = (size_t)entry->plain_size;
    u8 *plain = malloc(size + 1), hash[HASH_BYTES];
    if (!plain) return NULL;
    if (inflate(package->bytes + entry->packed_at, (size_t)entry->packed_size, plain, size)) {
        blake2b(plain, size, hash);
        if (!memcmp(hash, entry->hash, HASH_BYTES)) return plain;
    }
    free(plain);
    return NULL;
}
