package amqp

import (
	"net"
	"sync"
	"time"
)

// socket is one on which a write may not stand still for ever, and whose writes can be held and made together: the library
// writes every message on its own.
type socket struct {
	net.Conn
	mu   sync.Mutex
	held bool
	buf  []byte
}

// maxHeld is written even while writes are held.
const maxHeld = 64 << 10

func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(s.buf, b...)
	if s.held && len(s.buf) < maxHeld {
		return len(b), nil
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	return len(b), nil
}

// hold keeps what is written from now on until release.
func (s *socket) hold() {
	s.mu.Lock()
	s.held = true
	s.mu.Unlock()
}

func (s *socket) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	return s.flush()
}

func (s *socket) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	err := s.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.Conn.Write(s.buf)
	}
	s.buf = s.buf[:0]
	return err
}
