#include "link.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- what is shared ---- */

/* The first error of the queue is the cause of the later ones. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    if (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER)
        return "it has no private key";
    return words != NULL ? words : "no reason given";
}

static int refuse(struct weir_error *err, const char *option, const char *path)
{
    err->code = -EINVAL;
    snprintf(err->message, sizeof err->message, "%s: cannot use %.120s: %s",
             option, path, reason());
    ERR_clear_error();
    return -EINVAL;
}

static int load(SSL_CTX *context, const char *cert, const char *key,
                const char *ca, struct weir_error *err)
{
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return refuse(err, "--tls-cert", cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return refuse(err, "--tls-key", key);
    if (ca == NULL)
        return 0;
    if (SSL_CTX_load_verify_file(context, ca) != 1)
        return refuse(err, "--tls-ca", ca);
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(ca));
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

int link_context(SSL_CTX **out, const char *cert, const char *key,
                 const char *ca, struct weir_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int rc;

    ERR_clear_error();
    if (context == NULL)
        return refuse(err, "TLS", "OpenSSL");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"weir", 4);
    rc = load(context, cert, key, ca, err);
    if (rc < 0) {
        SSL_CTX_free(context);
        return rc;
    }
    *out = context;
    return 0;
}

void link_context_free(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

/* ---- a client ---- */

bool link_begin(struct link *l, SSL_CTX *context)
{
    l->tls = SSL_new(context);
    if (l->tls == NULL || SSL_set_fd(l->tls, l->fd) != 1)
        return false;
    SSL_set_accept_state(l->tls);
    return true;
}

void link_end(struct link *l)
{
    if (l->tls != NULL && SSL_is_init_finished(l->tls))
        SSL_shutdown(l->tls);
    SSL_free(l->tls);
    l->tls = NULL;
    ERR_clear_error();
}

bool link_has_unread(const struct link *l)
{
    return l->tls != NULL && SSL_pending(l->tls) > 0;
}

/* What a call that moved nothing means. */
static ssize_t outcome(struct link *l, int rc)
{
    int what = SSL_get_error(l->tls, rc);

    ERR_clear_error();
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return what == SSL_ERROR_ZERO_RETURN ? 0 : -ECONNRESET;
}

static int at_most(size_t n)
{
    return n < 1u << 30 ? (int)n : 1 << 30;
}

static ssize_t receive_tls(struct link *l, const struct iovec *pieces, int n)
{
    ssize_t total = 0;

    for (int i = 0; i < n; i++) {
        char *at = pieces[i].iov_base;
        size_t left = pieces[i].iov_len;

        while (left > 0) {
            int got = SSL_read(l->tls, at, at_most(left));

            if (got <= 0)
                return total > 0 ? total : outcome(l, got);
            at += got;
            left -= (size_t)got;
            total += got;
        }
    }
    return total;
}

ssize_t link_receive(struct link *l, const struct iovec *pieces, int n)
{
    ssize_t got;

    if (l->tls != NULL)
        return receive_tls(l, pieces, n);
    got = readv(l->fd, pieces, n);
    return got < 0 ? -errno : got;
}

static ssize_t send_tls(struct link *l, const struct iovec *pieces, int n)
{
    ssize_t total = 0;

    for (int i = 0; i < n; i++) {
        const char *at = pieces[i].iov_base;
        size_t left = pieces[i].iov_len;

        while (left > 0) {
            int sent = SSL_write(l->tls, at, at_most(left));

            if (sent <= 0)
                return total > 0 ? total : outcome(l, sent);
            at += sent;
            left -= (size_t)sent;
            total += sent;
        }
    }
    return total;
}

ssize_t link_send(struct link *l, struct iovec *pieces, int n)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)n};
    ssize_t sent;

    if (l->tls != NULL)
        return send_tls(l, pieces, n);
    sent = sendmsg(l->fd, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
