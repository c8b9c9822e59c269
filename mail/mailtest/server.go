// Package mailtest is a real SMTP server inside a test's process, which can also be away, refuse mails or hang.
package mailtest

import (
	"context"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// Server is an SMTP server on loopback.
type Server struct {
	Host string
	Port int

	tb      testing.TB
	mu      sync.Mutex
	running *smtp.Server
	mails   []Mail
	refuse  error
	hang    chan struct{}
}

// New starts a server, which ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Host: "127.0.0.1", tb: tb}
	s.Start()
	tb.Cleanup(func() {
		s.Hang(false)
		s.Stop()
	})
	return s
}

// Start makes the server reachable, at its old port if it had one.
func (s *Server) Start() {
	s.tb.Helper()
	var network net.ListenConfig
	l, err := network.Listen(context.Background(), "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	require.NoError(s.tb, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(s.tb, err)
	s.Port, err = strconv.Atoi(port)
	require.NoError(s.tb, err)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	server.Domain = "mail.example.com"
	s.mu.Lock()
	s.running = server
	s.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// Stop makes connections fail.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.running
	s.running = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// Refuse makes the server refuse every recipient, or accept them again.
func (s *Server) Refuse(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = nil
	if yes {
		s.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here"}
	}
}

// Hang makes the server never answer a message, or end that.
func (s *Server) Hang(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case yes && s.hang == nil:
		s.hang = make(chan struct{})
	case !yes && s.hang != nil:
		close(s.hang)
		s.hang = nil
	}
}

// Mails are those accepted so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Last is the newest mail; there must be so many.
func (s *Server) Last(tb testing.TB, count int) Mail {
	tb.Helper()
	mails := s.Mails()
	require.Len(tb, mails, count, "mails so far")
	return mails[count-1]
}

type session struct {
	server *Server
	mail   Mail
}

func (s *session) Reset()        { s.mail = Mail{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Mail{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.mail.To = append(s.mail.To, to)
	return s.server.refuse
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	hang := s.server.hang
	s.server.mu.Unlock()
	if hang != nil {
		<-hang
		return &smtp.SMTPError{Code: 451, Message: "too late"}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.mail.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
	s.server.mails = append(s.server.mails, s.mail)
	return nil
}

// Mail is an accepted mail, with line ends of a text file.
type Mail struct {
	From string
	To   []string
	Text string
}

// Lines are the header lines as they were sent.
func (m Mail) Lines() []string {
	header, _, _ := strings.Cut(m.Text, "\n\n")
	return strings.Split(header, "\n")
}

// Body is what follows the header.
func (m Mail) Body() string {
	_, body, _ := strings.Cut(m.Text, "\n\n")
	return body
}

// Link is the last line that begins with https://, as an address.
func (m Mail) Link(tb testing.TB) *url.URL {
	tb.Helper()
	found := ""
	for line := range strings.SplitSeq(m.Body(), "\n") {
		if strings.HasPrefix(line, "https://") {
			found = line
		}
	}
	u, err := url.Parse(found)
	require.NoError(tb, err)
	require.NotEmpty(tb, found, "a link in the mail")
	return u
}

// Token is that of the link.
func (m Mail) Token(tb testing.TB) string {
	tb.Helper()
	token := m.Link(tb).Query().Get("token")
	require.Len(tb, token, 36)
	return token
}
