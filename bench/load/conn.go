package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// answerTimeout bounds one request: a server that hangs fails the measurement instead of stopping it.
const answerTimeout = 10 * time.Second

// conn is one keep-alive connection for requests whose answers have no body.
type conn struct {
	net.Conn
	buf [4096]byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	d := net.Dialer{Timeout: answerTimeout}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return &conn{Conn: c}, nil
}

var endOfHead = []byte("\r\n\r\n")

// roundTrip sends a request and reads the head of its answer.
func (c *conn) roundTrip(request []byte) (status int, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, fmt.Errorf("load: send: %w", err)
	}
	for n := 0; ; {
		m, err := c.Read(c.buf[n:])
		if err != nil {
			return 0, fmt.Errorf("load: receive: %w", err)
		}
		n += m
		if bytes.HasSuffix(c.buf[:n], endOfHead) {
			return statusOf(c.buf[:n])
		}
		if n == len(c.buf) {
			return 0, errors.New("load: an answer with a body or with more than 4 KiB of headers")
		}
	}
}

// statusOf reads "HTTP/1.1 204 ...".
func statusOf(head []byte) (int, error) {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, errors.New("load: not an answer of HTTP/1.1")
	}
	status := 0
	for _, b := range head[9:12] {
		status = status*10 + int(b-'0')
	}
	return status, nil
}

// Head sends one HEAD request over a connection of its own and gives the answer's head: status line and headers.
func Head(ctx context.Context, address string, request []byte) (status int, head []byte, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return 0, nil, err
	}
	defer c.Close() //nolint:errcheck // nothing was written that could be lost
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, nil, fmt.Errorf("load: %w", err)
	}
	if status, err = c.roundTrip(request); err != nil {
		return 0, nil, err
	}
	end := bytes.Index(c.buf[:], endOfHead)
	return status, bytes.Clone(c.buf[:end]), nil
}
