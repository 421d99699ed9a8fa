/* A slow network card for a host that is a part of this machine: preloaded, it lets a host's processes send no more than
 * SLOW bytes a second to other addresses, all of them together.
 *
 * What would be sent too early is refused for now (EAGAIN), as of a socket whose buffer is full: MPI libraries, whose
 * sockets do not block, come again later. So waiting for the card takes no time of a core, and what is done meanwhile
 * counts. A send may be up to 0.2 ms ahead of the card.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, VECTORS = 64, LEAST = 4096 };

static const double ahead_at_most = 2e5; /* ns */
static double rate;                      /* bytes a ns; 0 where nothing is slowed */
static _Atomic long long *idle_at;       /* when the card will have sent all, in ns; shared by the host's processes */
static signed char kinds[DESCRIPTORS];   /* of descriptors: 0 not known, 1 to another host, -1 not */

static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_close)(int);

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *said = getenv("SLOW");
    real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
    real_send = dlsym(RTLD_NEXT, "send");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_close = dlsym(RTLD_NEXT, "close");
    if (!said || atof(said) <= 0) return;
    /* each host has a /dev/shm of its own */
    const int file = open("/dev/shm/card", O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, LEAST)) return;
    void *memory = mmap(NULL, LEAST, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    real_close(file);
    if (memory == MAP_FAILED) return;
    idle_at = memory;
    rate = atof(said) * 1e-9;
}

static int leaves(int fd) {
    if (rate <= 0 || fd < 0 || fd >= DESCRIPTORS) return 0;
    if (!kinds[fd]) {
        struct sockaddr_in here, there;
        socklen_t a = sizeof here, b = sizeof there;
        const int known = !getsockname(fd, (struct sockaddr *)&here, &a) && !getpeername(fd, (struct sockaddr *)&there, &b);
        kinds[fd] = known && here.sin_family == AF_INET && there.sin_family == AF_INET &&
                            here.sin_addr.s_addr != there.sin_addr.s_addr ? 1 : -1;
    }
    return kinds[fd] > 0;
}

static size_t allowed(void) {
    long long ahead = atomic_load(idle_at) - now();
    if (ahead > ahead_at_most) return 0;
    return (size_t)((ahead_at_most - (ahead > 0 ? ahead : 0)) * rate) + LEAST;
}

static void book(ssize_t sent) {
    const long long takes = (long long)(sent / rate), t = now();
    long long old = atomic_load(idle_at);
    while (!atomic_compare_exchange_weak(idle_at, &old, (old > t ? old : t) + takes)) {}
}

static ssize_t slowly(int fd, const struct msghdr *message, int flags) {
    struct iovec parts[VECTORS];
    struct msghdr some = *message;
    size_t room = allowed(), count = 0;
    if (!room) {
        errno = EAGAIN;
        return -1;
    }
    for (; count < message->msg_iovlen && count < VECTORS && room; count++) {
        parts[count] = message->msg_iov[count];
        if (parts[count].iov_len > room) parts[count].iov_len = room;
        room -= parts[count].iov_len;
    }
    some.msg_iov = parts;
    some.msg_iovlen = count;
    const ssize_t sent = real_sendmsg(fd, &some, flags);
    if (sent > 0) book(sent);
    return sent;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return leaves(fd) ? slowly(fd, message, flags) : real_sendmsg(fd, message, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    struct iovec part = {(void *)data, size};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return leaves(fd) ? slowly(fd, &message, flags) : real_send(fd, data, size, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    return leaves(fd) ? slowly(fd, &message, 0) : real_writev(fd, parts, count);
}

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) kinds[fd] = 0;
    return real_close(fd);
}
