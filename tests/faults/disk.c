/*
 * A disk whose power can be cut, preloaded into the program: in the folder `DISK`, it has of each file what that was when
 * it was last synced, and nothing of files that never were. While there is a file `fails` it takes nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* What the file is now, put into the place of what it was. */
static int copy(int file, const char *disk, const char *name)
{
    char part[PATH_MAX], whole[PATH_MAX], bytes[65536];
    if (snprintf(part, sizeof part, "%s/part", disk) >= (int)sizeof part
        || snprintf(whole, sizeof whole, "%s/%s", disk, name) >= (int)sizeof whole) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0)
        return -1;
    ssize_t count = 0;
    for (off_t at = 0; (count = pread(file, bytes, sizeof bytes, at)) > 0; at += count) {
        if (write(to, bytes, count) != count) {
            count = -1;
            break;
        }
    }
    close(to);
    return count < 0 ? -1 : rename(part, whole);
}

static int synced(int descriptor)
{
    const char *disk = getenv("DISK");
    char own[64], path[PATH_MAX], fails[PATH_MAX];
    if (!disk)
        return 0;
    if (snprintf(fails, sizeof fails, "%s/fails", disk) < (int)sizeof fails && access(fails, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    snprintf(own, sizeof own, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(own, path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    /* Its own descriptor may be for writing alone; of a folder nothing is kept. */
    int file = open(own, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    pthread_mutex_lock(&one_at_a_time);
    int result = copy(file, disk, strrchr(path, '/') + 1);
    pthread_mutex_unlock(&one_at_a_time);
    close(file);
    return result < 0 && errno == EISDIR ? 0 : result;
}

int fsync(int descriptor)
{
    return synced(descriptor);
}

int fdatasync(int descriptor)
{
    return synced(descriptor);
}
