/* disk.h -- real filesystems for the test programs of fs, mounted at "disk" in
 * the folder; unmounted when the program ends. Mounting needs root. */
#ifndef FS_DISK_H
#define FS_DISK_H

#include <sys/mount.h>

#include "harness.h"

static inline void disk_unmount(void)
{
    while (umount2(folder_sub("disk"), MNT_DETACH) == 0)
        ;
}

/* disk_run runs a command line; whether it ended well. */
__attribute__((format(printf, 1, 2))) static inline int
disk_run(const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return system(line) == 0;
}

static inline void disk_make(void)
{
    static int made;

    if (!made) {
        CHECK(mkdir(folder_sub("disk"), 0700) == 0);
        atexit(disk_unmount); /* before the folder goes */
    }
    made = 1;
}

/* disk_tmpfs mounts a filesystem in memory; false: errno. */
static inline int disk_tmpfs(const char *options)
{
    disk_make();
    return mount("none", folder_sub("disk"), "tmpfs", 0, options) == 0;
}

/* disk_ext4 makes an ext4 of that size in a file of that name, with further
 * options of mkfs, and mounts it. disk_loop mounts one that is there. False:
 * this machine cannot. */
static inline int disk_loop(const char *image)
{
    disk_make();
    return disk_run("mount -o loop %s %s 2>&1", folder_sub(image),
                    folder_sub("disk"));
}

static inline int disk_ext4(const char *image, const char *size,
                            const char *options)
{
    return disk_run("truncate -s %s %s && mkfs.ext4 -q -F %s %s 2>&1", size,
                    folder_sub(image), options, folder_sub(image)) &&
           disk_loop(image);
}

#endif
