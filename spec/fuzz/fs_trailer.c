/* fs_trailer.c -- any bytes as the end of a file: the parser reads only what it
 * was given, and accepts only lengths that fit the file. */

#include "../../connectors/fs/name.c"
#include "../../connectors/fs/trailer.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct fs_trailer t;
    struct fs_name name;
    char text[300];
    uint64_t size = n;

    if (fs_trailer_parse(&t, bytes, n, size) == NULL &&
        (t.key_len > n || t.value_len > n))
        __builtin_trap();
    /* Past the checksum, which guessing does not get by. */
    if (n >= sizeof t) {
        memcpy(&t, bytes + n - sizeof t, sizeof t);
        memcpy(t.magic, trailer_magic, sizeof t.magic);
        fs_trailer_seal(&t);
        if (fs_trailer_parse(&t, &t, sizeof t, size) == NULL &&
            (t.key_len > n || t.value_len > n))
            __builtin_trap();
    }
    if (n < sizeof text) {
        memcpy(text, bytes, n);
        text[n] = '\0';
        fs_name_of_file(&name, 2, text);
    }
    return 0;
}
