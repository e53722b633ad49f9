/* powercut.c -- the power goes right after a set with sync=full was answered,
 * in a folder that is new, and in a directory of it that is new: the block
 * device is copied while it is in use, and the copy is mounted. All that was
 * answered is there, without a look at what the filesystem might have written
 * later. Needs root and ext4: without them this is skipped. */

#include "disk.h"

enum { CUTS = 6 };

static const char value[5000] = "value";

/* What the disk holds at this moment, as a power cut leaves it. */
static void cut(int number)
{
    CHECK(disk_run("cp %s %s.%d", folder_sub("image"), folder_sub("image"),
                   number));
}

static void expect_keys(int number, int keys)
{
    char image[32], key[16];
    struct client c;

    snprintf(image, sizeof image, "image.%d", number);
    CHECK(disk_loop(image));
    c = open_fs(folder_sub("disk/deep/kv"), "create=no", NULL);
    for (int i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(client_is(&c, key, value, sizeof value));
    }
    CHECK(client_set(&c, "more", "v", 1) == WEIR_OK);
    close_fs(&c);
    disk_unmount();
}

int main(void)
{
    struct client c;
    char key[16];

    folder_make();
    if (!disk_ext4("image", "24M", "")) {
        printf("cannot mount an ext4 in a file here\n");
        return 77;
    }
    c = open_fs(folder_sub("disk/deep/kv"), "sync=full", NULL);
    for (int i = 0; i < CUTS; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(client_set(&c, key, value, sizeof value) == WEIR_OK);
        cut(i);
    }
    close_fs(&c);
    disk_unmount();
    for (int i = 0; i < CUTS; i++)
        expect_keys(i, i + 1);
    return 0;
}
