/* How does one file start at once? On Windows.

   As launcher.c, with what Windows has: the folder stands in %LOCALAPPDATA%, which belongs to one
   user; a file is as it was left if its size and both its times are. Python is loaded into this
   very process, so that Ctrl-C, exit codes and handles are nobody's business but its own. */
#define WIN32_LEAN_AND_MEAN
#include "package.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#define PATH_CHARS 4096
#define SEAL_NUMBERS 3
#define EXIT_BROKEN 70
#define EXIT_NO_CACHE 73
#define LOCK_TRIES 6000
#define LOCK_PAUSE_MS 20
#define MAX_PADDING 8

static Package package;

typedef struct {
    wchar_t base[PATH_CHARS], root[PATH_CHARS];
} Place;

static void die(int code, const char *told, const wchar_t *about) {
    fprintf(stderr, "%s: %s", package.name[0] ? package.name : "launcher", told);
    if (about) fprintf(stderr, " (%ls)", about);
    fputc('\n', stderr);
    exit(code);
}

/* Join a folder and a UTF-8 path below it; 0 where it becomes too long. */
static int join(wchar_t out[PATH_CHARS], const wchar_t *folder, const char *path) {
    size_t length = wcslen(folder);
    if (length + 2 >= PATH_CHARS) return 0;
    wcscpy(out, folder);
    out[length++] = L'\\';
    int more = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, out + length,
        (int)(PATH_CHARS - length));
    for (wchar_t *at = out + length; more && *at; at++) if (*at == L'/') *at = L'\\';
    return more > 0;
}

static int append(wchar_t out[PATH_CHARS], const wchar_t *path, const wchar_t *suffix) {
    if (wcslen(path) + wcslen(suffix) + 1 > PATH_CHARS) return 0;
    wcscpy(out, path);
    wcscat(out, suffix);
    return 1;
}

static int describe(const Place *place, const Entry *entry, u64 seal[SEAL_NUMBERS]) {
    wchar_t path[PATH_CHARS];
    WIN32_FILE_ATTRIBUTE_DATA told;
    if (!join(path, place->root, entry->path)) return 0;
    if (!GetFileAttributesExW(path, GetFileExInfoStandard, &told)) return 0;
    if (told.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) return 0;
    int is_folder = !!(told.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    if (is_folder != (entry->kind == FOLDER)) return 0;
    seal[0] = is_folder ? 0 : (u64)told.nFileSizeHigh << 32 | told.nFileSizeLow;
    seal[1] = (u64)told.ftLastWriteTime.dwHighDateTime << 32 | told.ftLastWriteTime.dwLowDateTime;
    seal[2] = (u64)told.ftCreationTime.dwHighDateTime << 32 | told.ftCreationTime.dwLowDateTime;
    return is_folder || seal[0] == entry->plain_size;
}

static u8 *read_file(const wchar_t *path, size_t *size) {
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
        OPEN_EXISTING, 0, NULL);
    LARGE_INTEGER told;
    u8 *bytes = NULL;
    DWORD got = 0;
    if (file == INVALID_HANDLE_VALUE) return NULL;
    if (GetFileSizeEx(file, &told) && told.QuadPart <= MAX_PLAIN_BYTES
        && (bytes = malloc((size_t)told.QuadPart + 1))) {
        *size = (size_t)told.QuadPart;
        if (!ReadFile(file, bytes, (DWORD)*size, &got, NULL) || got != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    CloseHandle(file);
    return bytes;
}

static int write_file(const wchar_t *path, const u8 *bytes, size_t size) {
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD done = 0;
    if (file == INVALID_HANDLE_VALUE) return 0;
    int good = WriteFile(file, bytes, (DWORD)size, &done, NULL) && done == size;
    return CloseHandle(file) && good;
}

static int is_as_sealed(const Place *place) {
    wchar_t path[PATH_CHARS];
    size_t size = 0;
    if (!append(path, place->root, L".seal")) return 0;
    u8 *sealed = read_file(path, &size), *at = sealed;
    int good = sealed && size == (size_t)package.count * SEAL_NUMBERS * sizeof(u64);
    const u8 *cursor = package.at;
    Entry entry;
    u64 found[SEAL_NUMBERS];
    for (u32 i = 0; good && i < package.count; i++, at += sizeof found)
        good = next_entry(&package, &cursor, &entry) && describe(place, &entry, found)
            && !memcmp(found, at, sizeof found);
    free(sealed);
    return good;
}

static void seal(const Place *place) {
    wchar_t path[PATH_CHARS], draft[PATH_CHARS];
    size_t size = (size_t)package.count * SEAL_NUMBERS * sizeof(u64);
    u8 *bytes = malloc(size + 1);
    const u8 *cursor = package.at;
    Entry entry;
    int good = bytes && append(path, place->root, L".seal") && append(draft, place->root, L".seal.new");
    for (u32 i = 0; good && i < package.count; i++) {
        u64 found[SEAL_NUMBERS] = {0};
        good = next_entry(&package, &cursor, &entry) && describe(place, &entry, found);
        memcpy(bytes + i * sizeof found, found, sizeof found);
    }
    if (good) DeleteFileW(draft);
    if (good && write_file(draft, bytes, size)) MoveFileExW(draft, path, MOVEFILE_REPLACE_EXISTING);
    free(bytes);
}

static void remove_all(const wchar_t *path) {
    wchar_t pattern[PATH_CHARS], below[PATH_CHARS];
    WIN32_FIND_DATAW one;
    if (!append(pattern, path, L"\\*")) return;
    HANDLE search = FindFirstFileW(pattern, &one);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            if (!wcscmp(one.cFileName, L".") || !wcscmp(one.cFileName, L"..")) continue;
            if (!append(below, path, L"\\") || !append(below, below, one.cFileName)) continue;
            if (one.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) remove_all(below);
            else DeleteFileW(below);
        } while (FindNextFileW(search, &one));
        FindClose(search);
    }
    RemoveDirectoryW(path);
}

static int unpack_into(const wchar_t *draft) {
    const u8 *cursor = package.at;
    Entry entry;
    if (!CreateDirectoryW(draft, NULL)) return 0;
    for (u32 i = 0; i < package.count; i++) {
        wchar_t path[PATH_CHARS];
        if (!next_entry(&package, &cursor, &entry)) die(EXIT_BROKEN, "this file is damaged; get it again", NULL);
        if (!join(path, draft, entry.path)) return 0;
        if (entry.kind == FOLDER) {
            if (!CreateDirectoryW(path, NULL)) return 0;
            continue;
        }
        u8 *plain = unpack(&package, &entry);
        if (!plain) {
            remove_all(draft);
            die(EXIT_BROKEN, "this file is damaged; get it again", path);
        }
        int good = write_file(path, plain, (size_t)entry.plain_size);
        free(plain);
        if (!good) return 0;
    }
    return 1;
}

static int install(const Place *place) {
    wchar_t draft[PATH_CHARS], old[PATH_CHARS];
    if (!append(draft, place->root, L".new") || !append(old, place->root, L".old")) return 0;
    remove_all(draft); /* of a start that was interrupted: we hold the lock */
    remove_all(old);
    if (!unpack_into(draft)) { remove_all(draft); return 0; }
    MoveFileExW(place->root, old, 0);
    int good = MoveFileExW(draft, place->root, 0);
    remove_all(good ? old : draft);
    return good;
}

static HANDLE take_lock(const Place *place) {
    wchar_t path[PATH_CHARS];
    if (!append(path, place->root, L".lock")) return INVALID_HANDLE_VALUE;
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        HANDLE lock = CreateFileW(path, GENERIC_WRITE, 0, NULL, OPEN_ALWAYS, 0, NULL);
        if (lock != INVALID_HANDLE_VALUE || GetLastError() != ERROR_SHARING_VIOLATION) return lock;
        Sleep(LOCK_PAUSE_MS);
    }
    return INVALID_HANDLE_VALUE;
}

static int prepare(const Place *place) {
    HANDLE lock = take_lock(place);
    if (lock == INVALID_HANDLE_VALUE) return 0;
    int good = is_as_sealed(place);
    if (!good && (good = install(place))) seal(place);
    CloseHandle(lock);
    return good;
}

static int run(const Place *place, int count, wchar_t **arguments, wchar_t *self) {
    wchar_t dll[PATH_CHARS];
    typedef int (*Main)(int, wchar_t **);
    if (!join(dll, place->root, "python" PYTHON_TAG ".dll")) return EXIT_BROKEN;
    HMODULE python = LoadLibraryExW(dll, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    Main main_of = python ? (Main)(void *)GetProcAddress(python, "Py_Main") : NULL;
    wchar_t **all = calloc((size_t)count + 8, sizeof *all);
    if (!main_of || !all) die(EXIT_BROKEN, "cannot load Python", dll);
    wchar_t *first[] = {self, L"-B", L"-X", L"utf8", L"-c", L"import _solvent_start", self};
    memcpy(all, first, sizeof first);
    for (int i = 1; i < count; i++) all[6 + i] = arguments[i];
    return main_of(count + 6, all);
}

static int have_place(Place *place, const wchar_t *folder) {
    if (!folder || !*folder || !join(place->base, folder, package.name)) return 0;
    char key[33];
    memcpy(key, package.key, 32);
    key[32] = 0;
    CreateDirectoryW(folder, NULL);
    CreateDirectoryW(place->base, NULL);
    return join(place->root, place->base, key) && (is_as_sealed(place) || prepare(place));
}

/* Where the package ends: at the end of the file, or in front of its signature. */
static size_t signed_part(const u8 *bytes, size_t size) {
    if (size < 64) return size;
    u64 header = read_u32(bytes + 0x3c);
    if (header + 24 + 112 + 5 * 8 > size || memcmp(bytes + header, "PE\0\0", 4)) return size;
    u64 signature = read_u32(bytes + header + 24 + 112 + 4 * 8);
    return signature && signature < size ? (size_t)signature : size;
}

static int open_self(const wchar_t *self) {
    HANDLE file = CreateFileW(self, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
        OPEN_EXISTING, 0, NULL);
    LARGE_INTEGER told;
    if (file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &told)) return 0;
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    const u8 *bytes = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (!bytes) return 0;
    size_t size = signed_part(bytes, (size_t)told.QuadPart);
    for (int padding = 0; padding < MAX_PADDING; padding++) /* the signature begins at a multiple of 8 */
        if (open_package(&package, bytes, size - (size_t)padding)) return 1;
    return 0;
}

static const wchar_t *variable(void) {
    static wchar_t name[MAX_NAME_BYTES + 16];
    size_t i = 0;
    for (; package.name[i]; i++) {
        char c = package.name[i];
        name[i] = (wchar_t)(c >= 'a' && c <= 'z' ? c - 32 : c == '-' || c == '.' ? '_' : c);
    }
    wcscpy(name + i, L"_CACHE_DIR");
    return name;
}

int wmain(int count, wchar_t **arguments) {
    static wchar_t self[PATH_CHARS];
    static Place place;
    DWORD length = GetModuleFileNameW(NULL, self, PATH_CHARS);
    if (!length || length == PATH_CHARS) die(EXIT_BROKEN, "cannot find this program's own file", NULL);
    if (!open_self(self)) die(EXIT_BROKEN, "this file is damaged; get it again", self);
    const wchar_t *told = _wgetenv(variable());
    if (told ? have_place(&place, told)
             : have_place(&place, _wgetenv(L"LOCALAPPDATA")) || have_place(&place, _wgetenv(L"TEMP")))
        return run(&place, count, arguments, self);
    die(EXIT_NO_CACHE, "found no folder to unpack into; name one by this variable", variable());
    return EXIT_NO_CACHE;
}
