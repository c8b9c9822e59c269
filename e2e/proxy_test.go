package e2e

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between a process and a server and makes the network fail: decision 36.
type proxy struct {
	address, target string

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[*proxied]bool
	stalled  chan struct{} // closed when nothing is held back
	delay    time.Duration
	tripwire func(chunk []byte) bool
	closed   bool
	running  sync.WaitGroup
}

// proxied is one connection; deaf means that the server's answers are dropped.
type proxied struct {
	client, server net.Conn
	deaf           bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	flowing := make(chan struct{})
	close(flowing)
	p := &proxy{address: freeAddress(t), target: target, conns: map[*proxied]bool{}, stalled: flowing}
	p.mend(t)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.resume()
		p.refuse()
		p.running.Wait()
	})
	return p
}

// refuse cuts all connections; new ones are refused until mend.
func (p *proxy) refuse() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.cut()
}

// cut closes the connections that there are.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.client.Close()
		_ = c.server.Close()
	}
}

// mend ends what refuse, delayBy and trip began.
func (p *proxy) mend(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.tripwire = 0, nil
	if p.listener != nil {
		return
	}
	l, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.listener = l
	p.running.Go(func() { p.accept(l) })
}

// stall holds everything back, as a network that lost its way does; resume lets it flow again.
func (p *proxy) stall() {
	p.mu.Lock()
	p.stalled = make(chan struct{})
	p.mu.Unlock()
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stalled:
	default:
		close(p.stalled)
	}
}

// delayBy makes every piece of every connection take so much longer, each way.
func (p *proxy) delayBy(d time.Duration) {
	p.mu.Lock()
	p.delay = d
	p.mu.Unlock()
}

// trip watches what clients send. The first piece that wire says true to still reaches the server; its answer, and
// whatever else the server says on that connection, is lost.
func (p *proxy) trip(wire func(chunk []byte) bool) {
	p.mu.Lock()
	p.tripwire = wire
	p.mu.Unlock()
}

func (p *proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &proxied{client: client, server: server}
		p.mu.Lock()
		if p.closed || p.listener != l {
			p.mu.Unlock()
			_ = client.Close()
			_ = server.Close()
			continue
		}
		p.conns[c] = true
		p.mu.Unlock()
		p.running.Go(func() { p.pump(c, server, client, true) })
		p.running.Go(func() { p.pump(c, client, server, false) })
	}
}

// pump copies one way until either end closes.
func (p *proxy) pump(c *proxied, to io.Writer, from io.Reader, fromClient bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && p.pass(c, buffer[:n], fromClient) {
			if _, werr := to.Write(buffer[:n]); werr != nil {
				err = errors.Join(err, werr)
			}
		}
		if err != nil {
			break
		}
	}
	_ = c.client.Close()
	_ = c.server.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// pass waits as long as it has to and tells whether the piece goes on.
func (p *proxy) pass(c *proxied, chunk []byte, fromClient bool) bool {
	p.mu.Lock()
	delay, stalled := p.delay, p.stalled
	p.mu.Unlock()
	<-stalled
	if delay > 0 {
		<-time.After(delay)
	}
	p.mu.Lock()
	wire := p.tripwire
	deaf := c.deaf
	p.mu.Unlock()
	if !fromClient {
		return !deaf
	}
	if wire != nil && wire(chunk) {
		p.mu.Lock()
		c.deaf, p.tripwire = true, nil
		p.mu.Unlock()
	}
	return true
}
