package mail

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limits of delivery: a request that waits for it is answered within its 10 s.
const (
	deliveryTimeout = 8 * time.Second
	stepTimeout     = 4 * time.Second
	maxDeliveries   = 8
)

// SMTP delivers to a mail server: plain SMTP without a login, a new connection for each mail.
type SMTP struct {
	address, host string
	whole, step   time.Duration
	slots         chan struct{}
}

// NewSMTP makes the deliverer for a server. At most 8 deliveries of a process run at a time; more wait.
func NewSMTP(host string, port int) *SMTP {
	host = strings.Trim(host, "[]")
	return &SMTP{address: net.JoinHostPort(host, strconv.Itoa(port)), host: host, whole: deliveryTimeout, step: stepTimeout,
		slots: make(chan struct{}, maxDeliveries)}
}

// undelivered is a failed delivery. It hides its cause from errors.As: a caller inside a transaction must not take a broken
// connection to the mail server for one to the database and do everything again.
type undelivered struct{ text string }

func (u *undelivered) Error() string { return u.text }

// Send delivers a message. It returns when the server has accepted it, or with an error: after 8 s at the latest, 4 s for
// each step, or when ctx ends.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.whole)
	defer cancel()
	id, err := messageID(m.From.Address)
	if err != nil {
		return err
	}
	text, err := m.compose(id, time.Now())
	if err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return &undelivered{"deliver a mail: too many at a time"}
	}
	if err := s.deliver(ctx, m, text); err != nil {
		return &undelivered{"deliver a mail to " + s.address + ": " + err.Error()}
	}
	return nil
}

func (s *SMTP) deliver(ctx context.Context, m *Message, text string) error {
	d := net.Dialer{Timeout: s.step}
	raw, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	c, err := smtp.NewClient(&steps{raw, s.step}, s.host)
	if err != nil {
		return err
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		if err := c.Hello(name); err != nil {
			return fmt.Errorf("greeting: %w", err)
		}
	}
	if err := c.Mail(m.From.Address); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if err := c.Rcpt(m.To.Address); err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	if err := w.Close(); err != nil { // this is where the server accepts it
		return fmt.Errorf("acceptance: %w", err)
	}
	_ = c.Quit() // the mail is theirs, whatever they say now
	return nil
}

// steps gives each read and write of a connection its own time.
type steps struct {
	net.Conn
	each time.Duration
}

func (s *steps) Read(p []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(s.each)); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

func (s *steps) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.each)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}

func messageID(from string) (string, error) {
	at := strings.LastIndexByte(from, '@')
	if at < 0 {
		return "", errors.New("mail not sent: the sender has no domain")
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:]) + from[at:], nil
}
