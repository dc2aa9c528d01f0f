/* How does Python start from a folder that stands anywhere?

   The launcher runs this as ROOT/bin/NAME. It loads ROOT/lib/libpython.so and becomes Python; so
   it fits every version. Linked with the run path ROOT/lib, which libraries that are loaded later
   are looked for in as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define EXIT_BROKEN 70

int main(int count, char **arguments) {
    char path[PATH_BYTES + 32];
    ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES);
    for (int parts = 0; parts < 2 && length > 0; parts++)
        while (length > 0 && path[--length] != '/') {}
    if (length <= 0) return EXIT_BROKEN;
    strcpy(path + length, "/lib/libpython.so");
    void *python = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    int (*run)(int, char **) = python ? (int (*)(int, char **))dlsym(python, "Py_BytesMain") : NULL;
    if (!run) {
        fprintf(stderr, "%s: cannot load Python: %s\n", arguments[0], dlerror());
        return EXIT_BROKEN;
    }
    return run(count, arguments);
}
