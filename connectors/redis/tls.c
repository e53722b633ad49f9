/* tls.c -- TLS on a non-blocking socket, behind the functions of a link.
 *
 * SSL_write_ex makes at least one record of each segment, so short segments are
 * expensive: command.c copies short values together under TLS. The server's
 * certificate is verified unless the option verify is false. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"

/* Returns OpenSSL's reason for the last failure, in words. The first error of
 * the queue is the cause of the later ones. */
static const char *tls_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    if (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER)
        return "it has no private key";
    return words != NULL ? words : "no reason given";
}

static int tls_refuse_file(struct weir_error *err, const char *option,
                           const char *path)
{
    return weir_error_set(err, -EINVAL, "redis: option %s: cannot use %s: %s",
                          option, path, tls_reason());
}

/* OpenSSL reads a directory only when it needs a certificate of it. */
static int tls_trust(SSL_CTX *context, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return SSL_CTX_load_verify_dir(context, path);
    return SSL_CTX_load_verify_file(context, path);
}

static int tls_load(SSL_CTX *context, const struct redis_config *config,
                    struct weir_error *err)
{
    const char *key = config->key != NULL ? config->key : config->cert;

    if (config->ca != NULL && tls_trust(context, config->ca) != 1)
        return tls_refuse_file(err, "ca", config->ca);
    if (config->ca == NULL && SSL_CTX_set_default_verify_paths(context) != 1)
        return tls_refuse_file(err, "ca", "the system's certificates");
    if (config->cert == NULL)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(context, config->cert) != 1)
        return tls_refuse_file(err, "cert", config->cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return tls_refuse_file(err, "key", key);
    return 0;
}

int tls_context(const struct redis_config *config, SSL_CTX **out,
                struct weir_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int rc;

    if (context == NULL)
        return weir_error_set(err, -ENOMEM, "redis: no TLS: %s", tls_reason());
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(
        context, config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    rc = tls_load(context, config, err);
    ERR_clear_error();
    if (rc < 0)
        SSL_CTX_free(context);
    else
        *out = context;
    return rc;
}

/* ---- send and receive ---- */

/* Returns the errno for a failure in OpenSSL. With TLS 1.3 the server rejects
 * our certificate only after the handshake, so any call may fail for it. */
static int tls_failure(void)
{
    switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        /* Not a truncation attack, since each reply tells its length. */
        return -ECONNRESET;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return -EKEYREJECTED;
    default:
        return -EBADMSG;
    }
}

/* Returns the errno for an SSL call that moved nothing, and in *on the event to
 * poll for before the next try. */
static ssize_t tls_outcome(struct link *l, int rc, short *on, short usual)
{
    int error = SSL_get_error(l->tls, rc);

    *on = error == SSL_ERROR_WANT_READ    ? POLLIN
          : error == SSL_ERROR_WANT_WRITE ? POLLOUT
                                          : usual;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    if (error == SSL_ERROR_SYSCALL && errno != 0)
        return -errno;
    return error == SSL_ERROR_SSL ? tls_failure() : -ECONNRESET;
}

static ssize_t tls_send(struct link *l, const struct iovec *iov, int n)
{
    ssize_t total = 0;

    for (int i = 0; i < n; i++) {
        size_t moved = 0;
        int rc;

        ERR_clear_error();
        errno = 0;
        rc = SSL_write_ex(l->tls, iov[i].iov_base, iov[i].iov_len, &moved);
        if (rc <= 0) {
            ssize_t error = tls_outcome(l, rc, &l->tls_write_on, POLLOUT);

            /* After a part was sent the next call returns the error. */
            return total > 0 ? total : error;
        }
        total += (ssize_t)moved;
        if (moved < iov[i].iov_len)
            break;
    }
    l->tls_write_on = POLLOUT;
    return total;
}

/* Reads until nothing more is here. One SSL_read_ex returns at most a record of
 * 16 KiB, and the caller would have to come back for each. */
static ssize_t tls_receive(struct link *l, const struct iovec *iov, int n)
{
    ssize_t total = 0;

    for (int i = 0; i < n; i++) {
        size_t filled = 0;

        while (filled < iov[i].iov_len) {
            size_t moved = 0;
            int rc;

            ERR_clear_error();
            errno = 0;
            rc = SSL_read_ex(l->tls, (char *)iov[i].iov_base + filled,
                             iov[i].iov_len - filled, &moved);
            if (rc <= 0) {
                ssize_t error = tls_outcome(l, rc, &l->tls_read_on, POLLIN);

                return total > 0 ? total : error;
            }
            filled += moved;
            total += (ssize_t)moved;
        }
    }
    l->tls_read_on = POLLIN;
    return total;
}

static bool tls_is_quiet(struct link *l)
{
    char byte;
    size_t n;
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_peek_ex(l->tls, &byte, 1, &n);
    return rc <= 0 && SSL_get_error(l->tls, rc) == SSL_ERROR_WANT_READ;
}

static void tls_end(struct link *l)
{
    ERR_clear_error();
    SSL_shutdown(l->tls);
    SSL_free(l->tls);
    ERR_clear_error();
}

/* ---- the handshake ---- */

/* Sets the address or name that the certificate must have. */
static int tls_expect(SSL *tls, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, address) == 1 ||
        inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), name);
    return SSL_set_tlsext_host_name(tls, name) == 1 &&
           SSL_set1_host(tls, name) == 1;
}

static int tls_explain(struct link *l, struct attempt *at, int rc)
{
    long verdict = SSL_get_verify_result(l->tls);

    if (rc == -ETIMEDOUT)
        attempt_fail(at, WEIR_UNAVAILABLE,
                     NO_CONNECTION ": the TLS handshake is not over%s",
                     BIO_number_read(SSL_get_rbio(l->tls)) == 0
                         ? "; if the server expects no TLS, use redis:// or "
                           "tls=false"
                         : "");
    else if (verdict != X509_V_OK)
        attempt_fail(at, WEIR_DENIED,
                     "the server's certificate is not accepted: %s",
                     X509_verify_cert_error_string(verdict));
    else if (rc == -EBADMSG || rc == -EKEYREJECTED)
        attempt_fail(at, rc == -EBADMSG ? WEIR_UNAVAILABLE : WEIR_DENIED,
                     "TLS handshake failed: %s", tls_reason());
    else
        attempt_fail(at, WEIR_UNAVAILABLE, "TLS handshake failed: %s",
                     strerror(-rc));
    return rc;
}

static int tls_shake(struct link *l, struct attempt *at)
{
    for (;;) {
        short on;
        ssize_t error;
        int rc;

        ERR_clear_error();
        errno = 0;
        rc = SSL_connect(l->tls);
        if (rc == 1)
            return 0;
        error = tls_outcome(l, rc, &on, POLLIN);
        if (error != -EAGAIN)
            return (int)error;
        rc = attempt_wait(at, l->fd, on, UINT64_MAX);
        if (rc < 0)
            return rc;
    }
}

int tls_begin(struct link *l, SSL_CTX *context, struct attempt *at)
{
    const char *name =
        at->config->server_name != NULL ? at->config->server_name : at->host;
    int rc;

    l->tls = SSL_new(context);
    if (l->tls != NULL)
        l->end = tls_end;
    if (l->tls == NULL || SSL_set_fd(l->tls, l->fd) != 1 ||
        (name != NULL && !tls_expect(l->tls, name))) {
        attempt_fail(at, WEIR_UNAVAILABLE, "no TLS session: %s", tls_reason());
        return -EIO;
    }
    l->send = tls_send;
    l->receive = tls_receive;
    l->is_quiet = tls_is_quiet;
    l->tls_read_on = POLLIN;
    l->tls_write_on = POLLOUT;
    rc = tls_shake(l, at);
    return rc < 0 ? tls_explain(l, at, rc) : 0;
}
