/* How does one file start at once? On Linux and macOS.

   The first start unpacks what the file carries into the user's cache, in a folder named by its
   content. Every later start only looks whether that folder is as it was left, and goes on there.

   Nothing in the cache is believed for its name: it must belong to this user and be closed to all
   others, and each file must be, by inode, size and both times, the one whose hash was checked. A
   file that is not is hashed anew; if it differs, everything is unpacked again. */
#define _GNU_SOURCE
#include "package.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#define CHANGED_AT(s) ((s).st_mtimespec)
#define TOUCHED_AT(s) ((s).st_ctimespec)
#else
#define CHANGED_AT(s) ((s).st_mtim)
#define TOUCHED_AT(s) ((s).st_ctim)
#endif

#define PATH_BYTES 4096
#define SEAL_NUMBERS 6
#define EXIT_BROKEN 70 /* EX_SOFTWARE: the file is damaged */
#define EXIT_NO_CACHE 73 /* EX_CANTCREAT */

static Package package;

typedef struct {
    char base[PATH_BYTES]; /* the folder of this tool in the cache */
    char root[PATH_BYTES]; /* what is unpacked: base/key */
} Place;

static void die(int code, const char *format, ...) {
    va_list told;
    va_start(told, format);
    fprintf(stderr, "%s: ", package.name[0] ? package.name : "launcher");
    vfprintf(stderr, format, told);
    fputc('\n', stderr);
    va_end(told);
    exit(code);
}

/* Join texts into a path; 0 where it becomes too long. */
static int join(char out[PATH_BYTES], const char *format, ...) {
    va_list told;
    va_start(told, format);
    int length = vsnprintf(out, PATH_BYTES, format, told);
    va_end(told);
    return length > 0 && length < PATH_BYTES;
}

/* ------------------------------------------------------------------------------ what stands there */

static int is_ours(const struct stat *told) {
    return told->st_uid == geteuid() && !(told->st_mode & (S_IWGRP | S_IWOTH));
}

static int is_private_folder(const char *path) {
    struct stat told;
    return !lstat(path, &told) && S_ISDIR(told.st_mode) && is_ours(&told) && !(told.st_mode & 077);
}

/* Describe what stands at an entry's path; 0 where it is not of its kind, or not ours alone. */
static int describe(const Place *place, const Entry *entry, u64 seal[SEAL_NUMBERS]) {
    char path[PATH_BYTES];
    struct stat told;
    if (!join(path, "%s/%s", place->root, entry->path) || lstat(path, &told) || !is_ours(&told)) return 0;
    if (entry->kind == FOLDER ? !S_ISDIR(told.st_mode) : !S_ISREG(told.st_mode)) return 0;
    int is_file = entry->kind != FOLDER;
    if (is_file && (u64)told.st_size != entry->plain_size) return 0;
    seal[0] = (u64)told.st_ino;
    seal[1] = is_file ? (u64)told.st_size : 0;
    seal[2] = (u64)CHANGED_AT(told).tv_sec;
    seal[3] = (u64)CHANGED_AT(told).tv_nsec;
    /* That a folder was read or renamed is nothing; that something was put into it changes it. */
    seal[4] = is_file ? (u64)TOUCHED_AT(told).tv_sec : 0;
    seal[5] = is_file ? (u64)TOUCHED_AT(told).tv_nsec : 0;
    return 1;
}

/* Read a file that is ours alone into memory that the caller frees. */
static u8 *read_file(const char *path, size_t *size) {
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return NULL;
    struct stat told;
    u8 *bytes = NULL;
    if (!fstat(file, &told) && S_ISREG(told.st_mode) && is_ours(&told)
        && told.st_size <= (off_t)MAX_PLAIN_BYTES && (bytes = malloc((size_t)told.st_size + 1))) {
        *size = (size_t)told.st_size;
        for (size_t got = 0; got < *size;) {
            ssize_t more = read(file, bytes + got, *size - got);
            if (more <= 0) { free(bytes); bytes = NULL; break; }
            got += (size_t)more;
        }
    }
    close(file);
    return bytes;
}

static int is_as_sealed(const Place *place) {
    char path[PATH_BYTES];
    size_t size = 0, wanted = (size_t)package.count * SEAL_NUMBERS * sizeof(u64);
    if (!is_private_folder(place->base) || !is_private_folder(place->root)) return 0;
    if (!join(path, "%s.seal", place->root)) return 0;
    u8 *sealed = read_file(path, &size);
    int good = sealed && size == wanted;
    const u8 *cursor = package.at, *at = sealed;
    Entry entry;
    u64 found[SEAL_NUMBERS];
    for (u32 i = 0; good && i < package.count; i++, at += sizeof found)
        good = next_entry(&package, &cursor, &entry) && describe(place, &entry, found)
            && !memcmp(found, at, sizeof found);
    free(sealed);
    return good;
}

/* Hash what is there, each folder's number of things counted too. */
static int is_what_was_packed(const Place *place) {
    const u8 *cursor = package.at;
    Entry entry;
    u64 seal[SEAL_NUMBERS];
    for (u32 i = 0; i < package.count; i++) {
        char path[PATH_BYTES];
        u8 hash[HASH_BYTES];
        size_t size = 0;
        if (!next_entry(&package, &cursor, &entry) || !describe(place, &entry, seal)) return 0;
        if (entry.kind == FOLDER) continue;
        if (!join(path, "%s/%s", place->root, entry.path)) return 0;
        u8 *bytes = read_file(path, &size);
        if (!bytes) return 0;
        blake2b(bytes, size, hash);
        free(bytes);
        if (memcmp(hash, entry.hash, HASH_BYTES)) return 0;
    }
    return 1;
}

/* Count what stands in a folder and below; -1 where that cannot be told. */
static long count_below(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return -1;
    long count = 0;
    struct dirent *one;
    while (count >= 0 && (one = readdir(folder))) {
        char below[PATH_BYTES];
        struct stat told;
        if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, "..")) continue;
        if (!join(below, "%s/%s", path, one->d_name) || lstat(below, &told)) { count = -1; break; }
        long more = S_ISDIR(told.st_mode) ? count_below(below) : 0;
        count = more < 0 ? -1 : count + 1 + more;
    }
    closedir(folder);
    return count;
}

/* ------------------------------------------------------------------------------------- unpacking */

static void remove_all(const char *path) {
    struct stat told;
    if (lstat(path, &told)) return;
    if (S_ISDIR(told.st_mode)) {
        DIR *folder = opendir(path);
        struct dirent *one;
        while (folder && (one = readdir(folder))) {
            char below[PATH_BYTES];
            if (strcmp(one->d_name, ".") && strcmp(one->d_name, "..")
                && join(below, "%s/%s", path, one->d_name)) remove_all(below);
        }
        if (folder) closedir(folder);
        rmdir(path);
    } else {
        unlink(path);
    }
}

static int write_file(const char *path, const u8 *bytes, size_t size, mode_t mode) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (file < 0) return 0;
    size_t done = 0;
    while (done < size) {
        ssize_t more = write(file, bytes + done, size - done);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) break;
        done += (size_t)more;
    }
    return !close(file) && done == size;
}

/* Unpack everything below a new folder; 0 where there is no room or no leave to write. */
static int unpack_into(const char *draft) {
    const u8 *cursor = package.at;
    Entry entry;
    if (mkdir(draft, 0700)) return 0;
    for (u32 i = 0; i < package.count; i++) {
        char path[PATH_BYTES];
        if (!next_entry(&package, &cursor, &entry)) die(EXIT_BROKEN, "this file is damaged; get it again");
        if (!join(path, "%s/%s", draft, entry.path)) return 0;
        if (entry.kind == FOLDER) {
            if (mkdir(path, 0700)) return 0;
            continue;
        }
        u8 *plain = unpack(&package, &entry);
        if (!plain) {
            remove_all(draft);
            die(EXIT_BROKEN, "this file is damaged (%s); get it again", entry.path);
        }
        int good = write_file(path, plain, (size_t)entry.plain_size, entry.kind == PROGRAM ? 0700 : 0600);
        free(plain);
        if (!good) return 0;
    }
    return 1;
}

static void seal(const Place *place) {
    char path[PATH_BYTES], draft[PATH_BYTES];
    size_t size = (size_t)package.count * SEAL_NUMBERS * sizeof(u64);
    u8 *bytes = malloc(size + 1);
    const u8 *cursor = package.at;
    Entry entry;
    int good = bytes && join(path, "%s.seal", place->root)
        && join(draft, "%s.seal.%ld", place->root, (long)getpid());
    for (u32 i = 0; good && i < package.count; i++) {
        u64 found[SEAL_NUMBERS] = {0};
        good = next_entry(&package, &cursor, &entry) && describe(place, &entry, found);
        memcpy(bytes + i * sizeof found, found, sizeof found);
    }
    if (good) unlink(draft);
    if (good && (!write_file(draft, bytes, size, 0600) || rename(draft, path))) unlink(draft);
    free(bytes);
}

/* Remove what starts that were interrupted have left; nobody else is at it, we hold the lock. */
static void sweep(const Place *place) {
    DIR *folder = opendir(place->base);
    struct dirent *one;
    char begins[24], path[PATH_BYTES];
    snprintf(begins, sizeof begins, ".%.16s.", package.key);
    while (folder && (one = readdir(folder)))
        if (!strncmp(one->d_name, begins, strlen(begins)) && join(path, "%s/%s", place->base, one->d_name))
            remove_all(path);
    if (folder) closedir(folder);
}

static int install(const Place *place) {
    char draft[PATH_BYTES], old[PATH_BYTES];
    long pid = (long)getpid();
    if (!join(draft, "%s/.%.16s.%ld", place->base, package.key, pid)) return 0;
    if (!join(old, "%s/.%.16s.%ld.old", place->base, package.key, pid)) return 0;
    if (!unpack_into(draft)) { remove_all(draft); return 0; }
    struct stat told;
    if (!lstat(place->root, &told) && rename(place->root, old)) { remove_all(draft); return 0; }
    int good = !rename(draft, place->root);
    remove_all(good ? old : draft);
    return good;
}

/* Make the place ready, one process at a time; 0 where it cannot be. */
static int prepare(const Place *place) {
    char path[PATH_BYTES];
    if (!join(path, "%s.lock", place->root)) return 0;
    int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0) return 0;
    while (flock(lock, LOCK_EX) && errno == EINTR) {}
    int good = is_as_sealed(place);
    if (!good) {
        sweep(place);
        good = (is_private_folder(place->root) && count_below(place->root) == (long)package.count
                && is_what_was_packed(place)) || install(place);
        if (good) seal(place);
    }
    close(lock);
    return good;
}

/* ---------------------------------------------------------------------------------------- places */

static void make_parents(const char *path) {
    char part[PATH_BYTES];
    if (!join(part, "%s", path)) return;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0700);
        *slash = '/';
    }
}

/* Have a folder of our own at `base`, closed to all others, from which programs may be run. One
   that was open is closed: what others put into it is not ours, and so not taken. */
static int have_base(const Place *place) {
    struct statvfs told;
    make_parents(place->base);
    mkdir(place->base, 0700);
    if (!is_private_folder(place->base)) {
        struct stat found;
        if (lstat(place->base, &found) || !S_ISDIR(found.st_mode)) return 0;
        if (found.st_uid != geteuid() || chmod(place->base, 0700)) return 0;
    }
#ifdef ST_NOEXEC
    if (!statvfs(place->base, &told) && told.f_flag & ST_NOEXEC) return 0;
#else
    (void)told;
#endif
    return 1;
}

static void go(const Place *place, char **arguments, const char *self) {
    char program[PATH_BYTES];
    int count = 0;
    while (arguments[count]) count++;
    char **all = calloc((size_t)count + 8, sizeof *all);
    if (!all || !join(program, "%s/bin/%s", place->root, package.name)) return;
    const char *first[] = {program, "-I", "-S", "-B", "-c", "import _solvent_start", self};
    memcpy(all, first, sizeof first);
    for (int i = 1; i < count; i++) all[6 + i] = arguments[i];
    execv(program, all);
    free(all);
}

static int try_place(const char *base, char **arguments, const char *self) {
    Place place;
    if (!join(place.base, "%s", base) || !join(place.root, "%s/%.32s", base, package.key)) return 0;
    if (!is_as_sealed(&place) && (!have_base(&place) || !prepare(&place))) return 0;
    go(&place, arguments, self); /* returns only where it may not be run from there */
    return 0;
}

/* The variable with which a user says where: MYTOOL_CACHE_DIR. */
static const char *variable(void) {
    static char name[MAX_NAME_BYTES + 16];
    size_t length = strlen(package.name);
    for (size_t i = 0; i < length; i++) {
        char c = package.name[i];
        name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c == '-' || c == '.' ? '_' : c;
    }
    strcpy(name + length, "_CACHE_DIR");
    return name;
}

static void try_variable(const char *of, const char *below, char **arguments, const char *self) {
    char base[PATH_BYTES];
    const char *folder = getenv(of);
    if (folder && *folder == '/' && join(base, "%s%s/%s", folder, below, package.name))
        try_place(base, arguments, self);
}

static void try_places(char **arguments, const char *self) {
    static const char *const shared[] = {"/var/tmp", "/dev/shm", "/tmp"};
    char base[PATH_BYTES];
    const char *told = getenv("XDG_CACHE_HOME");
    if (getenv(variable())) {
        try_variable(variable(), "", arguments, self);
        return;
    }
    if (told && *told == '/') try_variable("XDG_CACHE_HOME", "", arguments, self);
#ifdef __APPLE__
    else try_variable("HOME", "/Library/Caches", arguments, self);
#else
    else try_variable("HOME", "/.cache", arguments, self);
#endif
    try_variable("XDG_RUNTIME_DIR", "", arguments, self);
    for (int i = 0; i < 3; i++)
        if (join(base, "%s/%s-%ld", shared[i], package.name, (long)geteuid()))
            try_place(base, arguments, self);
}

/* ------------------------------------------------------------------------------------------ main */

static int find_self(char path[PATH_BYTES]) {
#ifdef __APPLE__
    uint32_t size = PATH_BYTES;
    char found[PATH_BYTES];
    return !_NSGetExecutablePath(found, &size) && realpath(found, path);
#else
    ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    if (length > 0) path[length] = 0;
    return length > 0;
#endif
}

int main(int count, char **arguments) {
    char self[PATH_BYTES];
    struct stat told;
    if (!count || !find_self(self)) die(EXIT_BROKEN, "cannot find this program's own file");
    int file = open(self, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &told)) die(EXIT_BROKEN, "cannot read %s: %s", self, strerror(errno));
    void *bytes = mmap(NULL, (size_t)told.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED || !open_package(&package, bytes, (size_t)told.st_size))
        die(EXIT_BROKEN, "%s is damaged; get it again", self);
    try_places(arguments, self);
    die(EXIT_NO_CACHE, "found no folder to unpack into from which programs may run; name one: %s=/path",
        variable());
}
