package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// stepTimeout is how long connecting, and each operation after it, may take.
	stepTimeout = 2 * time.Second
	// maxAnswer is how many bytes a server may send in one step.
	maxAnswer = 1 << 20
	// maxReason is how much of an error is logged, in bytes.
	maxReason = 300
)

// limitPackets keeps a server from having memory reserved by announcing a large packet.
var limitPackets = sync.OnceFunc(func() { ber.MaxPacketLengthBytes = maxAnswer })

// errTimeout is a server that did not answer in time.
var errTimeout = fmt.Errorf("no answer within %s", stepTimeout)

// metered is a connection that ends when it has read too much.
type metered struct {
	net.Conn
	left atomic.Int64
}

// Read reads while there is something left.
func (m *metered) Read(b []byte) (int, error) {
	if m.left.Load() <= 0 {
		return 0, fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	n, err := m.Conn.Read(b)
	m.left.Add(int64(-n))
	return n, err
}

// conn is a connection to a directory. One step at a time.
type conn struct {
	ldap *goldap.Conn
	net  *metered
	born time.Time
}

// dial connects to a directory, encrypted if the configuration says so.
func dial(ctx context.Context, c *Config, roots *x509.CertPool) (*conn, error) {
	limitPackets()
	host := strings.Trim(c.Host, "[]")
	if host == "" {
		return nil, errors.New("the configuration names no host")
	}
	connecting, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(connecting, "tcp", net.JoinHostPort(host, strconv.Itoa(c.Port)))
	if err != nil {
		return nil, err
	}
	m := &metered{Conn: raw}
	m.left.Store(maxAnswer)
	trust := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
	var secured net.Conn = m
	if c.Security == SecurityLDAPS {
		encrypted := tls.Client(m, trust)
		if err := encrypted.HandshakeContext(connecting); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		secured = encrypted
	}
	made := &conn{ldap: goldap.NewConn(secured, c.Security == SecurityLDAPS), net: m, born: time.Now()}
	made.ldap.Start()
	if c.Security == SecurityTLS {
		if err := made.step(ctx, func() error { return made.ldap.StartTLS(trust) }); err != nil {
			made.close()
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	return made, nil
}

// step does one operation within its time limit and the context. After an error of the connection it is of no more use.
// At the end of its time the connection is closed: a deadline alone would not do, since the library stops reading from a
// server that answers StartTLS with another message, and waits on.
func (c *conn) step(ctx context.Context, operation func() error) error {
	c.net.left.Store(maxAnswer)
	limit := time.AfterFunc(stepTimeout, c.close)
	leave := context.AfterFunc(ctx, c.close)
	err := operation()
	if !leave() {
		return ctx.Err()
	}
	if !limit.Stop() {
		return errTimeout
	}
	return err
}

// bind authenticates the connection. The password is never empty: servers take that for an anonymous bind, and succeed.
func (c *conn) bind(ctx context.Context, dn, password string) error {
	if dn == "" || password == "" {
		return errors.New("a bind without a name or a password")
	}
	return c.step(ctx, func() error { return c.ldap.Bind(dn, password) })
}

// search gives the entries of a base, with one attribute.
func (c *conn) search(ctx context.Context, base string, scope int, filter, attribute string) (entries []*goldap.Entry, err error) {
	request := goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 1, int(stepTimeout/time.Second), false, filter, []string{attribute}, nil)
	err = c.step(ctx, func() error {
		found, err := c.ldap.Search(request)
		if found != nil {
			entries = found.Entries
		}
		return err
	})
	return entries, err
}

func (c *conn) usable() bool { return !c.ldap.IsClosing() }

// close ends the connection without waiting for the server.
func (c *conn) close() {
	_ = c.net.SetDeadline(time.Unix(1, 0))
	_ = c.ldap.Close()
}

// answered tells whether an error is what the server said, rather than that it did not.
func answered(err error) bool {
	var e *goldap.Error
	return errors.As(err, &e) && e.ResultCode < goldap.ErrorNetwork
}

// reason is an error as the log may have it: of what a server says only the code, since it knows the password.
func reason(err error) string {
	var e *goldap.Error
	if errors.As(err, &e) && e.ResultCode < goldap.ErrorNetwork {
		return fmt.Sprintf("the server answered %d (%s)", e.ResultCode, goldap.LDAPResultCodeMap[e.ResultCode])
	}
	text := err.Error()
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	return text
}
