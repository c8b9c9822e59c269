package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// ports hands out TCP ports of loopback, no one twice.
type ports struct{ given map[int]bool }

// base is the port that a variable names, or the default; 0 means a free one.
func base(variable string, standard int) (int, error) {
	s := os.Getenv(variable)
	if s == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 65535 {
		return 0, fmt.Errorf("%s=%s is not a port (0 to 65535)", variable, s)
	}
	return n, nil
}

// at reserves this very port; 0 picks a free one. A port that is taken is an error that names the variable to change.
func (p *ports) at(port int, variable, what string) (int, error) {
	if port == 0 {
		return p.free()
	}
	if port > 65535 {
		return 0, fmt.Errorf("%s is too high: %s would get port %d", variable, what, port)
	}
	if p.given[port] || !listenable(port) {
		return 0, fmt.Errorf("port %d for %s is taken: stop who holds it, or choose another one with %s=... (0 picks a free one)", port, what, variable)
	}
	p.give(port)
	return port, nil
}

// free picks a port below the range that systems use for outgoing connections, where nobody takes it by accident between
// now and its use.
func (p *ports) free() (int, error) {
	for range 1000 {
		port := 15000 + rand.IntN(17000)
		if !p.given[port] && listenable(port) {
			p.give(port)
			return port, nil
		}
	}
	return 0, errors.New("no free port between 15000 and 32000")
}

// fill sets each target to a free port.
func (p *ports) fill(targets ...*int) error {
	for _, t := range targets {
		port, err := p.free()
		if err != nil {
			return err
		}
		*t = port
	}
	return nil
}

func (p *ports) give(port int) {
	if p.given == nil {
		p.given = map[int]bool{}
	}
	p.given[port] = true
}

func listenable(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
