/* Modbus TCP server for the bench: epoll, one process, many ports, nothing to configure.
 *
 * usage: modbus_server PORTS
 *
 * Listens on PORTS loopback ports of the system's choice, prints them on one line, answers
 * functions 3 and 4 (a register holds its own address) and 6 and 16 (echo). Anything else gets
 * exception 1. Ends when standard input closes, so it cannot outlive its parent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME = 260, EVENTS = 256, MAX_FDS = 65536 };

struct connection {
    unsigned filled;
    uint8_t data[FRAME];
};

static struct connection *connections[MAX_FDS]; /* NULL where the descriptor listens */

static unsigned word(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

static void put(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Writes the answer to one frame; returns its length. */
static unsigned answer(const uint8_t *frame, unsigned length, uint8_t *out) {
    uint8_t function = frame[7];
    unsigned pdu = 5;
    memcpy(out, frame, 8);
    if ((function == 3 || function == 4) && length == 12) {
        unsigned address = word(frame + 8), count = word(frame + 10);
        if (count >= 1 && count <= 125) {
            out[8] = (uint8_t)(2 * count);
            for (unsigned n = 0; n < count; n++) put(out + 9 + 2 * n, address + n);
            pdu = 2 + 2 * count;
            put(out + 4, pdu + 1);
            return 7 + pdu;
        }
    } else if ((function == 6 || function == 16) && length >= 12) {
        memcpy(out + 8, frame + 8, 4);
        put(out + 4, pdu + 1);
        return 7 + pdu;
    }
    out[7] = function | 0x80;
    out[8] = 1;
    put(out + 4, 3);
    return 9;
}

static int serve(int fd, struct connection *c) {
    ssize_t got = recv(fd, c->data + c->filled, FRAME - c->filled, 0);
    if (got <= 0) return -1;
    c->filled += (unsigned)got;
    while (c->filled >= 8) {
        unsigned length = 6 + word(c->data + 4);
        uint8_t out[FRAME];
        if (word(c->data + 2) != 0 || length < 8 || length > FRAME) return -1;
        if (c->filled < length) break;
        unsigned size = answer(c->data, length, out);
        if (send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size) return -1;
        c->filled -= length;
        memmove(c->data, c->data + length, c->filled);
    }
    return 0;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= MAX_FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) exit(3);
}

static void listen_on_free_port(int epoll) {
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof where) || listen(fd, 2048)) exit(2);
    getsockname(fd, (struct sockaddr *)&where, &size);
    printf("%u ", ntohs(where.sin_port));
    watch(epoll, fd);
}

static void accept_one(int epoll, int listener) {
    int on = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = calloc(1, sizeof(struct connection));
    watch(epoll, fd);
}

static void drop(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

int main(int argc, char **argv) {
    struct rlimit files;
    int epoll = epoll_create1(0);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--) listen_on_free_port(epoll);
    puts("");
    fflush(stdout);
    watch(epoll, STDIN_FILENO);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            int fd = events[n].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (connections[fd] == NULL) accept_one(epoll, fd);
            else if (serve(fd, connections[fd]) != 0) drop(fd);
        }
    }
}
